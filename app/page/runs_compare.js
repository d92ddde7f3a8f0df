// Two runs side by side: what was asked for differently, and what came of it.
import { h } from "./dom.js";
import { bytes, count, fixed, moment, percent, seconds, significant, times } from "./format.js";
import { table } from "./chart_figure.js";
import { lineChart } from "./chart_lines.js";
import { smoothed } from "./live_metrics.js";
import { fetchRun } from "./run_data.js";

// {"model.depth": 5, …}: a nested object by the paths of its leaves.
function flat(value, path = "", out = new Map()) {
  if (value !== null && typeof value === "object" && !Array.isArray(value))
    for (const [key, inner] of Object.entries(value)) flat(inner, path ? `${path}.${key}` : key, out);
  else out.set(path, Array.isArray(value) ? JSON.stringify(value) : String(value));
  return out;
}

function differences(first, second) {
  const [a, b] = [flat(first || {}), flat(second || {})];
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key)).map((key) => [key, a.get(key) ?? "–", b.get(key) ?? "–"]);
}

// By the name of a figure: what it is measured in.
const units = [
  [/bytes/, bytes], [/accuracy|interval|forgetting|transfer/, percent], [/^(seconds|seconds_a_run)$/, seconds],
  [/times/, times], [/images_per_second|parameters|steps/, count],
];

function shown(key, value) {
  if (typeof value !== "number") return String(value ?? "–");
  const unit = units.find(([names]) => names.test(key));
  return unit ? unit[1](value) : significant(value);
}

function summaryRows([first, second]) {
  const keys = [...new Set([...Object.keys(first.summary), ...Object.keys(second.summary)])];
  return keys.map((key) => [key.replaceAll("_", " "), shown(key, first.summary[key]), shown(key, second.summary[key]), change(first.summary[key], second.summary[key])]);
}

function change(before, after) {
  if (typeof before !== "number" || typeof after !== "number" || before === 0 || before === after) return "";
  const percent = 100 * (after / before - 1);
  return `${percent > 0 ? "+" : ""}${fixed(percent, 1)} %`;
}

function curves(runs, field, title, y) {
  const series = runs.map((run, i) => {
    const points = run.metrics.filter((line) => typeof line[field] === "number").map((line) => [line.step, line[field]]);
    return { name: run.id, points: points.length > 50 ? smoothed(points) : points, dots: points.length <= 50, colour: i + 1 };
  }).filter(({ points }) => points.length > 1);
  return series.length > 0 && h("section", { class: "card" }, lineChart({ title, x: { label: "Step" }, y: { label: y }, series }));
}

export async function compareRuns(ids) {
  const runs = await Promise.all(ids.map(fetchRun));
  const columns = (name, more = []) => [{ name, text: true }, ...ids.map((id) => ({ name: id, text: true })), ...more];
  const settings = differences(runs[0].config, runs[1].config);
  return h("div", { class: "stack" },
    h("section", { class: "card" }, h("h3", {}, "What came of them"), table(columns("Figure", ["Change"]), [
      ["what", ...runs.map((run) => `${run.verb}: ${run.title}`), ""], ["begun", ...runs.map((run) => moment(run.started)), ""], ["state", ...runs.map((run) => run.state), ""],
      ...summaryRows(runs)], { words: true })),
    h("div", { class: "panels" }, curves(runs, "loss", "Loss", "Cross-entropy (nats)"), curves(runs, "validation_accuracy", "Validation accuracy", "Share")),
    h("section", { class: "card" }, h("h3", {}, "Settings that differ"), settings.length ? table(columns("Setting"), settings, { words: true }) : h("p", {}, "None: they were asked for the same.")));
}
