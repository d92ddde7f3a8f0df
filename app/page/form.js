// Labelled controls. Each has a name, a label that is its own, and where it helps a hint.
import { h, uniqueId } from "./dom.js";

export function field(label, control, hint) {
  control.id = control.id || uniqueId("field");
  const hintId = hint && `${control.id}-hint`;
  if (hint) control.setAttribute("aria-describedby", hintId);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control,
    hint && h("p", { class: "hint", id: hintId }, hint));
}

// `options`: [value, text] pairs, or values that are their own text.
export function select(name, options, value, onchange) {
  return h("select", { name, onchange, value }, options.map((option) => {
    const [key, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: key }, text);
  }));
}

// Puts other options into a select and keeps what was chosen, where it is still there.
export function reoption(control, options, preferred) {
  const before = control.value;
  control.replaceChildren(...options.map(([key, text]) => h("option", { value: key }, text)));
  const has = (value) => options.some(([key]) => key === value);
  control.value = has(before) ? before : has(preferred) ? preferred : options.length ? options[0][0] : "";
}

export function number(name, { value, min, max, step = "any", placeholder }) {
  return h("input", { type: "number", name, value, min, max, step, placeholder, inputmode: "decimal" });
}

// A slider with its value written beside it.
export function slider(name, label, { value, min, max, step, text, hint, oninput }) {
  const shown = h("output", {});
  const input = h("input", { type: "range", name, min, max, step, value });
  const update = () => {
    shown.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
    if (oninput) oninput(Number(input.value));
  };
  input.addEventListener("input", update);
  const element = field(label, input, hint);
  element.firstChild.append(" ", shown);
  update();
  return { element, input, update };
}

// One choice among few, all of them in sight. `options`: [value, text] pairs.
export function choice(name, legend, options, value, onchange) {
  const group = uniqueId(name);
  const inputs = options.map(([key, text]) => {
    const input = h("input", { type: "radio", name: group, value: key, checked: key === value, onchange });
    return h("label", { class: "segment" }, input, h("span", {}, text));
  });
  const element = h("fieldset", { class: "choice" }, h("legend", {}, legend), h("div", { class: "segments" }, inputs));
  return {
    element,
    get value() {
      return element.querySelector("input:checked").value;
    },
    set value(key) {
      for (const input of element.querySelectorAll("input")) input.checked = input.value === key;
    },
  };
}

export function toggle(name, label, checked, onchange) {
  return h("label", { class: "toggle" }, h("input", { type: "checkbox", name, checked, onchange, role: "switch" }),
    h("span", {}, label));
}

// The number in a control; undefined where it is empty.
export const numberIn = (control) => (control.value === "" ? undefined : Number(control.value));

// A place under a form for what went wrong, read aloud when it comes.
export function complaint() {
  return h("p", { class: "complaint", role: "alert" });
}
