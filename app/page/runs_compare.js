// Two runs side by side: what was asked for differently, and what came of it.
import { h } from "./dom.js";
import { bytes, count, fixed, moment, percent, plain, seconds, times } from "./format.js";
import { table, words } from "./chart_figure.js";
import { lineChart } from "./chart_lines.js";
import { smoothed } from "./live_metrics.js";
import { card, panels, stack, titled } from "./notes.js";
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
  const keys = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
  return keys.map((key) => [key, a.get(key) ?? "–", b.get(key) ?? "–"]);
}

// By the name of a figure: what it is measured in.
const units = [
  [/bytes/, bytes], [/accuracy|interval|forgetting|transfer/, percent], [/^(seconds|seconds_a_run)$/, seconds],
  [/times/, times], [/images_per_second|parameters|steps/, count],
];

function shown(key, value) {
  if (typeof value !== "number") return String(value ?? "–");
  const unit = units.find(([names]) => names.test(key));
  return unit ? unit[1](value) : plain(value);
}

function change(before, after) {
  if (typeof before !== "number" || typeof after !== "number" || before === 0 || before === after) return "";
  const percents = 100 * (after / before - 1);
  return `${percents > 0 ? "+" : ""}${fixed(percents, 1)} %`;
}

function summaryRows([{ summary: first }, { summary: second }]) {
  const keys = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return keys.map((key) =>
    [key.replaceAll("_", " "), shown(key, first[key]), shown(key, second[key]), change(first[key], second[key])]);
}

function curves(runs, name, title, y) {
  const series = runs.map((run, i) => {
    const lines = run.metrics.filter((line) => typeof line[name] === "number");
    const points = lines.map((line) => [line.step, line[name]]), many = points.length > 50;
    return { name: run.id, points: many ? smoothed(points) : points, dots: !many, colour: i + 1 };
  }).filter(({ points }) => points.length > 1);
  return series.length > 0 && card(lineChart({ title, x: { label: "Step" }, y: { label: y }, series }));
}

export async function compareRuns(ids) {
  const runs = await Promise.all(ids.map(fetchRun));
  const about = (name, of) => [name, ...runs.map(of), ""];
  const rows = [
    about("what", (run) => `${run.verb}: ${run.title}`), about("begun", (run) => moment(run.started)),
    about("state", (run) => run.state), ...summaryRows(runs),
  ];
  const settings = differences(runs[0].config, runs[1].config);
  return stack(
    titled("What came of them", table([...words("Figure", ...ids), "Change"], rows, { narrow: true })),
    panels(curves(runs, "loss", "Loss", "Cross-entropy (nats)"),
      curves(runs, "validation_accuracy", "Validation accuracy", "Share")),
    titled("Settings that differ", settings.length
      ? table(words("Setting", ...ids), settings, { narrow: true })
      : h("p", {}, "None: they were asked for the same.")));
}
