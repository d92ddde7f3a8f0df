// Trade-off: what accuracy costs in time and size, over the models of one compression.
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, count, fixed, milliseconds, percent, seconds } from "./format.js";
import { barChart } from "./chart_bars.js";
import { words } from "./chart_figure.js";
import { pointChart } from "./chart_points.js";
import { card, emptyNote, panels, stack, tabPage, wrong } from "./notes.js";
import { fetchRun, runSelect } from "./run_data.js";
import { isActive, known } from "./store.js";
import { go } from "./tabs.js";

const roleNames = { search: "Found by search", rule: "Rule of thumb" };
const roleName = (role) => roleNames[role] || role[0].toUpperCase() + role.slice(1);
const opens = (run) => () => go("runs", run);

function pointOf(point, run) {
  return {
    name: point.name, x: 1e3 * point.seconds, y: 100 * point.accuracy, strong: point.role === "chosen",
    lines: [roleName(point.role), `${seconds(point.seconds)}, accuracy ${percent(point.accuracy)}`,
      `${bytes(point.file_bytes)}, ${count(point.parameters)} parameters`, "Open its report"],
    open: opens(run),
  };
}

function groupsOf(points, run) {
  const roles = [...new Set(points.map((point) => point.role))];
  return roles.map((role) => ({
    name: roleName(role), points: points.filter((point) => point.role === role).map((point) => pointOf(point, run)),
  }));
}

function frontOf(points) {
  const front = points.filter((point) => point.on_front).sort((a, b) => a.seconds - b.seconds);
  const line = front.map((point) => [1e3 * point.seconds, 100 * point.accuracy]);
  return line.length > 1 ? [{ name: "Pareto front", colour: 6, dashed: true, points: line }] : [];
}

function paretoChart({ points, batch, accuracy_of: of }, run) {
  return pointChart({
    title: "The Pareto set: what accuracy costs in time",
    note: "Up and to the left is better. A model on the line is the most accurate of all that are as fast. " +
      `Accuracy on ${of} images. Enter or a click on a point opens its report.`,
    x: { label: `Milliseconds for ${batch === 1 ? "one image" : `a batch of ${batch}`} (logarithmic)`, log: true },
    y: { label: "Accuracy (%)" },
    groups: groupsOf(points, run), lines: frontOf(points),
    columns: [...words("Model", "From"), "Time", "Accuracy", "Size", "Parameters", ...words("On the front")],
    rows: () => points.map((point) => [
      point.name, point.roles.join(", "), milliseconds(point.seconds), percent(point.accuracy),
      bytes(point.file_bytes), count(point.parameters), point.on_front ? "yes" : "no",
    ]),
  });
}

function sizeBars(models) {
  return barChart({
    title: "Size on disk", note: "Shorter is smaller.", unit: "Size",
    bars: models.map((model) => ({ name: model.label, value: model.file_bytes, text: bytes(model.file_bytes) })),
  });
}

function accuracyBars(models) {
  const bars = models.map(({ label, accuracy, half_interval_95: half }) => ({
    name: label, value: 100 * accuracy, low: 100 * (accuracy - half), high: 100 * (accuracy + half),
    text: `${fixed(100 * accuracy, 2)} ± ${fixed(100 * half, 2)} %`,
  }));
  const from = Math.max(0, Math.floor(Math.min(...bars.map(({ low }) => low)) - 1));
  return barChart({
    title: "Accuracy", note: `With its 95 % interval. The bars begin at ${from} %.`, unit: "Accuracy",
    from, to: 100, bars,
  });
}

const imagesPerSecond = (model, batch) => model.speeds.find((speed) => speed.batch === batch).images_per_second;

function speedBars(models, batch) {
  return barChart({
    title: `Images per second, ${batch === 1 ? "one at a time" : `${batch} at once`}`,
    note: "Longer is faster.", unit: "Images per second",
    bars: models.map((model) => {
      const value = imagesPerSecond(model, batch);
      return { name: model.label, value, text: count(value) };
    }),
  });
}

function sizeAgainstSpeed(models, batch, run) {
  const pointFor = (model) => ({
    name: model.label, x: 1e-3 * model.file_bytes, y: imagesPerSecond(model, batch), open: opens(run),
    lines: [bytes(model.file_bytes), `${count(imagesPerSecond(model, batch))} images per second`,
      `accuracy ${percent(model.accuracy)}`],
  });
  return pointChart({
    title: "Size against speed", note: "Up and to the left is better.", height: 300,
    x: { label: "Size of the file (kB)" }, y: { label: `Images per second, batch of ${batch}` },
    groups: models.map((model) => ({ name: model.label, points: [pointFor(model)] })),
    columns: [...words("Model"), "Size", "Images per second", "Accuracy"],
    rows: () => models.map((model) => [
      model.label, bytes(model.file_bytes), count(imagesPerSecond(model, batch)), percent(model.accuracy),
    ]),
  });
}

function fourPanels({ models }, run) {
  const most = models[0].speeds.map(({ batch }) => batch).pop();  // none where nothing was timed
  const charts = [sizeBars(models), most && speedBars(models, most), accuracyBars(models),
    most && sizeAgainstSpeed(models, most, run)];
  return panels(charts.filter(Boolean).map((chart) => card(chart)));
}

async function draw(place, id) {
  const [pareto, run] = await Promise.all([get(`/api/pareto?run=${encodeURIComponent(id)}`), fetchRun(id)]);
  if (place.dataset.run !== id) return;
  replace(place, pareto.points.length > 0 && card(paretoChart(pareto, id)),
    run.results.report?.models && fourPanels(run.results.report, id));
}

const invitation = () => emptyNote("No compression to show yet",
  "Compress a model first. With a target, such as Balanced, many models are made and measured: " +
  "their Pareto set stands here then.");

function build(panel) {
  const place = h("div", { class: "stack", id: "tradeoff-results" });
  async function show(id) {
    place.dataset.run = id;
    if (!id) return replace(place, invitation());
    try {
      await draw(place, id);
    } catch (error) {
      if (place.dataset.run === id) replace(place, wrong(error));
    }
  }
  const finished = (run) => run.verb === "compress" && run.has_report &&
    !known.jobs.some((job) => job.run === run.id && isActive(job));
  const runs = runSelect("run", finished, show);
  tabPage(panel, "Trade-off",
    "Smaller and faster costs accuracy, or it does not. Here is how much, for each form of a model.",
    h("div", { class: "spaced" }, stack(h("div", { class: "narrow" }, field("Models of", runs.element)), place)));
  show(runs.element.value);
}

export const tradeoffTab = { id: "tradeoff", title: "Trade-off", build };
