// Curves over steps, epochs or tasks.
import { h, svg } from "./dom.js";
import { plain, significant } from "./format.js";
import { axes, figure, legendOf, lineClass, markAt, numbersTable, tip } from "./chart_figure.js";

const height = 260;
const marks = ["circle", "square", "diamond", "triangle"];

function path(points, x, y) {
  return points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
}

function drawSeries({ points, line = true, dots, faint, colour }, i, x, y) {
  const curve = line && svg("path", { class: lineClass(colour, { faint }), d: path(points, x, y) });
  const dot = dots && points.map(([a, b]) => markAt(marks[i % marks.length], x(a), y(b), `fill-${colour}`, 4));
  return svg("g", {}, curve, dot);
}

// The row of the table that is nearest to the pointer.
function nearest(points, value) {
  return points.reduce((best, each) =>
    Math.abs(each[0] - value) < Math.abs(best[0] - value) ? each : best);
}

function pointerReads(holder, frame, series, xAxis, show) {
  const rule = svg("path", { class: "rule", visibility: "hidden" });
  frame.plot.append(rule);
  const box = tip(holder);
  const shown = series.filter(({ points }) => points.length);
  holder.addEventListener("pointermove", (event) => {
    const at = event.clientX - holder.getBoundingClientRect().left;
    if (!shown.length || at < frame.area.left || at > frame.area.right) return leave();
    const value = nearest(shown[0].points, frame.x.back(at))[0];
    rule.setAttribute("d", `M${frame.x(value)} ${frame.area.top}V${frame.area.bottom}`);
    rule.setAttribute("visibility", "visible");
    const said = shown.map(({ name, points }) => `${name}: ${show(nearest(points, value)[1])}`);
    box.show(frame.x(value), frame.area.top + 40, [`${xAxis.label} ${plain(value)}`, ...said]);
  });
  const leave = () => {
    rule.setAttribute("visibility", "hidden");
    box.hide();
  };
  holder.addEventListener("pointerleave", leave);
}

// One row an x, one column a series; empty where a series has nothing there.
function rowsOf(series, show) {
  const rows = new Map();
  series.forEach(({ points }, column) => points.forEach(([x, y]) => {
    if (!rows.has(x)) rows.set(x, new Array(series.length).fill(""));
    rows.get(x)[column] = show(y);
  }));
  return [...rows].sort((a, b) => a[0] - b[0]).map(([x, cells]) => [plain(x), ...cells]);
}

// `series`: [{name, points: [[x, y], ...], line, dots, faint, colour}]; `show` writes a value of y.
export function lineChart({ title, note, x, y, series, show = significant }) {
  const coloured = series.map((each, i) => ({ colour: i + 1, ...each }));
  const all = coloured.flatMap(({ points }) => points);
  const legend = coloured.length > 1 && legendOf(coloured.map((each, i) => ({
    ...each, mark: each.dots ? marks[i % marks.length] : null, bare: each.line === false,
  })));
  return figure({
    title, note, legend,
    numbers: numbersTable("The numbers", [x.label, ...coloured.map(({ name }) => name)],
      () => rowsOf(coloured, show)),
    draw(width) {
      const frame = axes(width, height, x, y, all.map((p) => p[0]), all.map((p) => p[1]));
      frame.plot.append(...coloured.map((each, i) => drawSeries(each, i, frame.x, frame.y)));
      const holder = h("div", { class: "holder" }, frame.root);
      pointerReads(holder, frame, coloured, x, show);
      return holder;
    },
  });
}
