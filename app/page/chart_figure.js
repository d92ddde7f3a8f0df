// What every chart is: a figure with a caption, a picture that is drawn anew for each width, and its
// numbers as a table.
import { h, replace, svg, uniqueId } from "./dom.js";
import { makeScale, tickText } from "./chart_scale.js";

const rowsShown = 400;

// `rows` is a function, so that a table which nobody opens costs nothing.
export function numbersTable(heading, columns, rows) {
  const details = h("details", { class: "numbers" }, h("summary", {}, heading));
  details.addEventListener("toggle", () => {
    if (details.open) replace(details, details.firstChild, tableOf(columns, rows()));
  });
  return details;
}

// Long tables keep every n-th row and the last one, and say so.
function tableOf(columns, all) {
  const stride = Math.ceil(all.length / rowsShown);
  const rows = all.filter((_, i) => i % stride === 0 || i === all.length - 1);
  const note = stride > 1 &&
    h("p", { class: "hint" }, `${rows.length} of ${all.length} rows: every ${stride}th and the last.`);
  return h("div", {}, note, table(columns, rows));
}

// A table that scrolls sideways inside itself. Cells of a row are text or elements; `columns` are
// names, or {name, text: true} for those that hold words. One of `words` alone is shown as a list where
// the screen is narrow.
export function table(columns, rows, { label = "Table", words = false } = {}) {
  const names = columns.map((column) => column.name ?? column);
  const kind = (value, i) => [columns[i].text && "word", typeof value === "string" && value.length > 40 && "long"]
    .filter(Boolean).join(" ") || null;
  const row = (cells) => h("tr", {}, cells.map((value, i) => i === 0
    ? h("th", { scope: "row", class: kind(value, i) }, value)
    : h("td", { class: kind(value, i), "data-label": words ? names[i] : null }, value)));
  return scrolling(label, h("table", {},
    h("thead", {}, h("tr", {}, names.map((name, i) => h("th", { scope: "col", class: kind(null, i) }, name)))),
    h("tbody", {}, rows.map(row))), words ? "words" : "");
}

// What scrolls inside itself where it is too wide is then a stop of the Tab key.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const holder = target.parentElement;
    if (holder && holder.scrollWidth > holder.clientWidth) holder.tabIndex = 0;
    else holder?.removeAttribute("tabindex");
  }
});

export function scrolling(label, content, kind = "") {
  widths.observe(content);
  return h("div", { class: `table ${kind}`, role: "group", "aria-label": label }, content);
}

// `draw(width)` gives the picture; it is called again when the width changes.
export function figure({ title, note, numbers, draw, legend }) {
  const picture = h("div", { class: "picture" });
  const id = uniqueId("chart");
  const element = h("figure", { class: "chart", "aria-labelledby": id },
    h("figcaption", {}, h("span", { id, class: "title" }, title), note && h("span", { class: "hint" }, note)),
    picture, legend, numbers);
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.floor(picture.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    replace(picture, draw(width));
  }).observe(picture);
  return element;
}

// Draws the charts in `place` anew; tables that were open stay open.
export function redrawing(place, change) {
  const titleOf = (details) => details.closest("figure").querySelector(".title").textContent;
  const open = new Set([...place.querySelectorAll("figure details[open]")].map(titleOf));
  change();
  for (const details of place.querySelectorAll("figure details")) details.open = open.has(titleOf(details));
}

export function legendOf(series) {
  const sample = ({ colour, mark, bare, dashed, faint }) => [
    !bare && svg("path", { d: "M1 6H21", class: `line stroke-${colour}${dashed ? " dashed" : ""}${faint ? " faint" : ""}` }),
    mark && markAt(mark, 11, 6, `fill-${colour}`, 4),
  ];
  return h("ul", { class: "legend" }, series.map((each) =>
    h("li", {}, svg("svg", { viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" }, sample(each)), each.name)));
}

// Marks differ in shape as well as in colour.
export function markAt(shape, x, y, classes, size = 5) {
  const paths = {
    circle: `M${x - size} ${y}a${size} ${size} 0 1 0 ${2 * size} 0a${size} ${size} 0 1 0 ${-2 * size} 0z`,
    square: `M${x - size} ${y - size}h${2 * size}v${2 * size}h${-2 * size}z`,
    diamond: `M${x} ${y - size * 1.35}l${size * 1.35} ${size * 1.35}l${-size * 1.35} ${size * 1.35}l${-size * 1.35} ${-size * 1.35}z`,
    triangle: `M${x} ${y - size * 1.2}l${size * 1.2} ${size * 2.1}h${-size * 2.4}z`,
    cross: `M${x - size} ${y - size}l${2 * size} ${2 * size}M${x + size} ${y - size}l${-2 * size} ${2 * size}`,
  };
  return svg("path", { d: paths[shape], class: `mark ${shape === "cross" ? "cross " : ""}${classes}` });
}

const room = { right: 14, top: 10, bottom: 46 };
const letter = 7.4;  // pixels that one takes at most, of the ticks

// The frame of a chart with two axes: {root, plot, x, y, area}. Draw into `plot`.
export function axes(width, height, xAxis, yAxis, xs, ys) {
  const text = (axis, scale) => scale.ticks.map((value) => (axis.format || tickText)(value, scale.ticks));
  const y = makeScale(yAxis, ys, height - room.bottom, room.top, height / 50);
  const yTexts = text(yAxis, y);
  const widest = Math.max(...yTexts.map((each) => each.length), 1);
  const area = { left: 30 + widest * letter, right: width - room.right, top: room.top, bottom: height - room.bottom };
  const x = makeScale(xAxis, xs, area.left, area.right, (width - area.left) / 80);
  const xTexts = text(xAxis, x);
  const grid = y.ticks.map((value, i) => svg("g", {},
    svg("path", { class: "grid", d: `M${area.left} ${y(value)}H${area.right}` }),
    svg("text", { x: area.left - 8, y: y(value) + 4, class: "tick end" }, yTexts[i])));
  const below = x.ticks.map((value, i) => svg("g", {},
    svg("path", { class: "base", d: `M${x(value)} ${area.bottom}v5` }),
    svg("text", { x: x(value), y: area.bottom + 19, class: "tick middle" }, xTexts[i])));
  const middle = (area.top + area.bottom) / 2;
  const names = [
    svg("text", { x: Math.max((area.left + area.right) / 2, width / 2), y: height - 6, class: "axis middle" }, xAxis.label),
    svg("text", { x: 12, y: middle, class: "axis middle", transform: `rotate(-90 12 ${middle})` }, yAxis.label),
  ];
  const plot = svg("g");
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "plot", "aria-hidden": "true" },
    grid, svg("path", { class: "base", d: `M${area.left} ${area.bottom}H${area.right}` }), below, names, plot);
  return { root, plot, x, y, area };
}

// A box of text that stands beside what it explains.
export function tip(holder) {
  const box = h("div", { class: "tip", hidden: true });
  holder.append(box);
  return {
    show(x, y, lines) {
      replace(box, lines.map((line, i) => h(i === 0 ? "strong" : "span", {}, line)));
      box.hidden = false;
      const left = Math.max(4, Math.min(x + 14, holder.clientWidth - box.offsetWidth - 4));
      const above = y - box.offsetHeight - 10;
      box.style.left = `${left}px`;
      box.style.top = `${above > 0 ? above : y + 16}px`;
    },
    hide() {
      box.hidden = true;
    },
  };
}
