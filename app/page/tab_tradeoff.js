// Trade-off: what accuracy costs in time and size, over the models of one compression.
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, count, fixed, milliseconds, percent, seconds } from "./format.js";
import { barChart } from "./chart_bars.js";
import { pointChart } from "./chart_points.js";
import { emptyNote } from "./notes.js";
import { fetchRun, runSelect } from "./run_data.js";
import { isActive, known } from "./store.js";
import { go } from "./tabs.js";

const roleNames = { before: "Before", rule: "Rule of thumb", "rule of thumb": "Rule of thumb", chosen: "Chosen", search: "Found by search", preset: "Preset" };
const roleName = (role) => roleNames[role] || (role ? role[0].toUpperCase() + role.slice(1) : "Model");

function pointOf(point, run) {
  return {
    name: point.name, x: 1e3 * point.seconds, y: 100 * point.accuracy, strong: point.role === "chosen",
    lines: [roleName(point.role), `${seconds(point.seconds)}, accuracy ${percent(point.accuracy)}`,
      `${bytes(point.file_bytes)}, ${count(point.parameters)} parameters`, "Open its report"],
    open: () => go("runs", run),
  };
}

function groupsOf(points, run) {
  const roles = [...new Set(points.map((point) => roleName(point.role)))];
  return roles.map((name) => ({
    name, points: points.filter((point) => roleName(point.role) === name).map((point) => pointOf(point, run)),
  }));
}

function paretoChart({ points, batch, accuracy_of: of }, run) {
  const front = points.filter((point) => point.on_front).sort((a, b) => a.seconds - b.seconds);
  return pointChart({
    title: "The Pareto set: what accuracy costs in time",
    note: `Up and to the left is better. A model on the line is the most accurate of all that are as fast. Accuracy on ${of} images. Enter or a click on a point opens its report.`,
    x: { label: `Milliseconds for ${batch === 1 ? "one image" : `a batch of ${batch}`} (logarithmic)`, log: true },
    y: { label: "Accuracy (%)" },
    groups: groupsOf(points, run),
    lines: front.length > 1 ? [{ name: "Pareto front", colour: 6, dashed: true, points: front.map((p) => [1e3 * p.seconds, 100 * p.accuracy]) }] : [],
    columns: [{ name: "Model", text: true }, { name: "From", text: true }, "Time", "Accuracy", "Size", "Parameters", { name: "On the front", text: true }],
    rows: () => points.map((p) => [p.name, p.roles?.join(", ") || roleName(p.role), milliseconds(p.seconds), percent(p.accuracy),
      bytes(p.file_bytes), count(p.parameters), p.on_front ? "yes" : "no"]),
  });
}

function accuracyBars(models) {
  const lows = models.map((m) => 100 * (m.accuracy - m.half_interval_95));
  const from = Math.max(0, Math.floor(Math.min(...lows) - 1));
  return barChart({
    title: "Accuracy", note: `With its 95 % interval. The bars begin at ${from} %.`, unit: "Accuracy", from, to: 100,
    bars: models.map((m) => ({
      name: m.label, value: 100 * m.accuracy, low: 100 * (m.accuracy - m.half_interval_95), high: 100 * (m.accuracy + m.half_interval_95),
      text: `${fixed(100 * m.accuracy, 2)} ± ${fixed(100 * m.half_interval_95, 2)} %`,
    })),
  });
}

const speedAt = (model, batch) => model.speeds.find((speed) => speed.batch === batch);

function speedBars(models, batch) {
  return barChart({
    title: `Images per second, ${batch === 1 ? "one at a time" : `${batch} at once`}`, note: "Longer is faster.", unit: "Images per second",
    bars: models.map((m) => ({ name: m.label, value: speedAt(m, batch).images_per_second, text: count(speedAt(m, batch).images_per_second) })),
  });
}

function sizeAgainstSpeed(models, batch, run) {
  return pointChart({
    title: "Size against speed", note: "Up and to the left is better.", height: 300,
    x: { label: "Size of the file (kB)" }, y: { label: `Images per second, batch of ${batch}` },
    groups: models.map((m) => ({
      name: m.label,
      points: [{ name: m.label, x: 1e-3 * m.file_bytes, y: speedAt(m, batch).images_per_second, open: () => go("runs", run),
        lines: [bytes(m.file_bytes), `${count(speedAt(m, batch).images_per_second)} images per second`, `accuracy ${percent(m.accuracy)}`] }],
    })),
    columns: [{ name: "Model", text: true }, "Size", "Images per second", "Accuracy"],
    rows: () => models.map((m) => [m.label, bytes(m.file_bytes), count(speedAt(m, batch).images_per_second), percent(m.accuracy)]),
  });
}

function fourPanels(report, run) {
  const { models } = report;
  const batches = models[0].speeds.map(({ batch }) => batch);
  const most = batches[batches.length - 1];
  const panels = [barChart({
    title: "Size on disk", note: "Shorter is smaller.", unit: "Size",
    bars: models.map((m) => ({ name: m.label, value: m.file_bytes, text: bytes(m.file_bytes) })),
  }), batches.length && speedBars(models, most), accuracyBars(models), batches.length && sizeAgainstSpeed(models, most, run)];
  return h("div", { class: "panels" }, panels.filter(Boolean).map((panel) => h("section", { class: "card" }, panel)));
}

async function draw(place, id) {
  const [pareto, run] = await Promise.all([get(`/api/pareto?run=${encodeURIComponent(id)}`), fetchRun(id)]);
  if (place.dataset.run !== id) return;
  replace(place, pareto.points.length > 0 && h("section", { class: "card" }, paretoChart(pareto, id)),
    run.results.report?.models && fourPanels(run.results.report, id));
}

const invitation = () => emptyNote("No compression to show yet",
  "Compress a model first. With a target, such as Balanced, many models are made and measured: their Pareto set stands here then.");

function build(panel) {
  const place = h("div", { class: "stack", id: "tradeoff-results" });
  async function show(id) {
    place.dataset.run = id;
    if (!id) return replace(place, invitation());
    try {
      await draw(place, id);
    } catch (error) {
      if (place.dataset.run === id) replace(place, h("p", { class: "complaint", role: "alert" }, error.message));
    }
  }
  const finished = (run) => run.verb === "compress" && run.has_report &&
    !known.jobs.some((job) => job.run === run.id && isActive(job));
  const runs = runSelect("run", finished, show);
  replace(panel, h("h2", {}, "Trade-off"),
    h("p", { class: "lead" }, "Smaller and faster costs accuracy, or it does not. Here is how much, for each form of a model."),
    h("div", { class: "stack spaced" }, h("div", { class: "narrow" }, field("Models of", runs.element)), place));
  show(runs.element.value);
}

export const tradeoffTab = { id: "tradeoff", title: "Trade-off", build };
