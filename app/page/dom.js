// Elements from data. Text only ever becomes text nodes, so nothing that a file or a server says can
// become markup.

const SVG = "http://www.w3.org/2000/svg";

function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
}

function fill(element, children) {
  for (const child of children.flat(Infinity))
    if (child !== undefined && child !== null && child !== false) element.append(child);
  return element;
}

// h("button", {class: "primary", onclick: start}, "Compress"): attributes that are null, undefined
// or false are left out; children may be nested arrays.
export function h(tag, attributes = {}, ...children) {
  const element = fill(document.createElement(tag), children);
  put(element, attributes);  // last, as a select takes its value once its options are there
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = fill(document.createElementNS(SVG, tag), children);
  put(element, attributes);
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren();
  return fill(element, children);
}

// What is drawn anew many times, such as a job that runs: who stands on one of its buttons keeps
// standing there. Such buttons have a data-key.
export function keepingFocus(place, change) {
  const key = place.contains(document.activeElement) && document.activeElement.dataset.key;
  change();
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

let counter = 0;
export function uniqueId(prefix) {
  return `${prefix}-${++counter}`;
}

// For readers of the screen: what changed without the focus moving.
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}
