// Bars from left to right, one for each model, with the interval where there is one.
import { svg } from "./dom.js";
import { figure, numbersTable } from "./chart_figure.js";

const rowHeight = 40, top = 4;

function bar({ name, value, low, high, text, colour }, i, width, whole) {
  const y = top + i * rowHeight;
  const at = (amount) => Math.max(0, Math.min(1, (amount - whole.from) / (whole.to - whole.from))) * (width - 2);
  const whisker = low !== undefined &&
    svg("path", { class: "whisker", d: `M${at(low)} ${y + 27}H${at(high)}M${at(low)} ${y + 23}v8M${at(high)} ${y + 23}v8` });
  return svg("g", {},
    svg("text", { x: 0, y: y + 13, class: "bar-name" }, name),
    svg("text", { x: width, y: y + 13, class: "bar-value end" }, text),
    svg("rect", { x: 0, y: y + 20, width: width, height: 14, rx: 4, class: "track" }),
    svg("rect", { x: 0, y: y + 20, width: Math.max(3, at(value)), height: 14, rx: 4, class: `fill-${colour}` }),
    whisker);
}

// `bars`: [{name, value, text, low, high, colour}]. `from` is where the bars begin: 0 unless the
// differences are small, as with accuracies, and the note then says so.
export function barChart({ title, note, unit, bars, from = 0, to }) {
  const whole = { from, to: to ?? Math.max(...bars.map((each) => each.high ?? each.value), 1e-12) };
  const height = top + bars.length * rowHeight;
  return figure({
    title, note,
    numbers: numbersTable("The numbers", [{ name: "Model", text: true }, unit], () => bars.map((b) => [b.name, b.text])),
    draw: (width) => svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "plot", "aria-hidden": "true" },
      bars.map((each, i) => bar({ colour: i + 1, ...each }, i, width, whole))),
  });
}
