// Points in a plane, such as models by time and accuracy, and layers under a roofline. Each point
// can be reached by arrow keys, tells what it is, and may be opened.
import { h, svg } from "./dom.js";
import { axes, figure, legendOf, markAt, numbersTable, tip } from "./chart_figure.js";

const shapes = ["circle", "diamond", "square", "triangle"];

function pointElement(point, shape, colour, at) {
  const label = [point.name, ...point.lines].join(", ");
  return svg("g", {
    class: `point${point.strong ? " strong" : ""}`, tabindex: "-1", role: point.open ? "button" : "img",
    "aria-label": label,
  }, markAt("circle", at[0], at[1], "target", 12),
    markAt(shape, at[0], at[1], `fill-${colour}`, point.strong ? 7 : 5));
}

function moveBetween(elements, event) {
  const at = elements.indexOf(document.activeElement);
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const to = event.key === "Home" ? 0 : event.key === "End" ? elements.length - 1 : at + steps[event.key];
  if (at < 0 || !elements[to]) return;
  event.preventDefault();
  elements[at].setAttribute("tabindex", "-1");
  elements[to].setAttribute("tabindex", "0");
  elements[to].focus();
}

function pointsLayer(holder, placed) {
  const box = tip(holder);
  for (const { element, point, at } of placed) {
    const show = () => box.show(at[0], at[1], [point.name, ...point.lines]);
    element.addEventListener("pointerenter", show);
    element.addEventListener("focus", show);
    element.addEventListener("pointerleave", () => box.hide());
    element.addEventListener("blur", () => box.hide());
    if (!point.open) continue;
    element.addEventListener("click", point.open);
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      point.open();
    });
  }
  const elements = placed.map(({ element }) => element);
  if (elements.length) elements[0].setAttribute("tabindex", "0");
  return svg("g", { role: "group", "aria-label": "Points: arrow keys move between them" }, elements);
}

function placedPoints(groups, frame) {
  const placed = groups.flatMap(({ points, shape, colour }) => points.map((point) => {
    const at = [frame.x(point.x), frame.y(point.y)];
    return { point, at, element: pointElement(point, shape, colour, at) };
  }));
  return placed.sort((a, b) => a.at[0] - b.at[0]);  // arrow keys go from left to right
}

function drawLine({ points, colour, dashed, name, label }, frame) {
  const d = points.map(([a, b], i) => `${i ? "L" : "M"}${frame.x(a).toFixed(1)} ${frame.y(b).toFixed(1)}`).join("");
  const last = points[points.length - 1];
  return svg("g", {}, svg("path", { class: `line stroke-${colour}${dashed ? " dashed" : ""}`, d }),
    label && svg("text", { x: frame.x(last[0]) - 4, y: frame.y(last[1]) - 6, class: "axis end" }, name));
}

// `groups`: [{name, points: [{name, x, y, lines, open, strong}], colour}], `lines`: [{name, points,
// colour, dashed, label}], which lie under them. `columns` and `rows` make the table.
export function pointChart({ title, note, x, y, groups, lines = [], columns, rows, height = 340 }) {
  const drawn = groups.map((group, i) => ({ colour: i + 1, shape: shapes[i % shapes.length], ...group }));
  const xs = [...drawn.flatMap((g) => g.points.map((p) => p.x)), ...lines.flatMap((l) => l.points.map((p) => p[0]))];
  const ys = [...drawn.flatMap((g) => g.points.map((p) => p.y)), ...lines.flatMap((l) => l.points.map((p) => p[1]))];
  return figure({
    title, note,
    legend: legendOf([...drawn.map((g) => ({ ...g, mark: g.shape, bare: true })), ...lines]),
    numbers: numbersTable("The numbers", columns, rows),
    draw(width) {
      const frame = axes(width, height, x, y, xs, ys);
      const holder = h("div", { class: "holder" });
      frame.root.removeAttribute("aria-hidden");
      frame.root.setAttribute("role", "group");
      frame.root.setAttribute("aria-label", title);
      frame.plot.append(...lines.map((line) => drawLine(line, frame)),
        pointsLayer(holder, placedPoints(drawn, frame)));
      frame.plot.addEventListener("keydown", (event) =>
        moveBetween([...frame.plot.querySelectorAll(".point")], event));
      holder.prepend(frame.root);
      return holder;
    },
  });
}
