// What a compression gained and what it cost: the five results, accuracy beside them, every form as
// a table, and the files to take along. All figures are those of the run's report.json.
import { h, replace } from "./dom.js";
import { bytes, count, fixed, milliseconds, percent, times } from "./format.js";
import { choice } from "./form.js";
import { table, words } from "./chart_figure.js";
import { button, hint, joined, row, stack, tile, tiles, titled } from "./notes.js";
import { artefactAddress, modelOf } from "./run_data.js";
import { go } from "./tabs.js";

const batchText = (batch) => (batch === 1 ? "one image at a time" : `${count(batch)} images at once`);
const accuracyText = ({ accuracy, half_interval_95: half }) =>
  `${fixed(100 * accuracy, 2)} ± ${fixed(100 * half, 2)} %`;
const reduction = (after, before) => percent(1 - after / before, 1);

function chance({ against_first: against }) {
  if (!against) return "";
  const points = fixed(Math.abs(100 * against.accuracy_difference), 2);
  if (Number(points) === 0) return "the same share as before";
  const direction = against.accuracy_difference < 0 ? "below" : "above";
  const meaning = against.significant ? "not by chance" : "may be chance";
  const p = against.p < 1e-4 ? "p < 0.0001" : `p = ${Number(against.p.toPrecision(2))}`;
  return `${points} points ${direction} the model before; ${meaning} (${p})`;
}

function speedTiles(speed, before) {
  if (!speed) return [tile("Speed-up", "–", "not timed"), tile("Images per second", "–", "not timed")];
  const how = batchText(speed.batch);
  const change = `${milliseconds(before.seconds)} → ${milliseconds(speed.seconds)}, ${how}`;
  return [
    tile("Speed-up", times(speed.times_as_fast), change, "first"),
    tile("Images per second", count(speed.images_per_second), `${how}, ± ${percent(speed.spread, 1)}`),
  ];
}

function fiveResults(form, first, batch) {
  const at = (entry) => entry.speeds.find((speed) => speed.batch === batch);
  const [speedUp, images] = speedTiles(at(form), at(first));
  const before = `before ${percent(first.accuracy)}, of ${count(form.samples)} test images`;
  return tiles(
    tile("Size reduction", reduction(form.file_bytes, first.file_bytes), `${bytes(first.file_bytes)} before`, "first"),
    speedUp,
    tile("Parameter reduction", reduction(form.parameters, first.parameters),
      `${count(first.parameters)} → ${count(form.parameters)}`, "first"),
    tile("Final size", bytes(form.file_bytes), `${count(form.file_bytes)} bytes in ${form.dtype}`),
    images,
    tile("Accuracy", accuracyText(form), joined([before, chance(form)], "; "), "accuracy"));
}

function downloadOf(entry, run) {
  const model = modelOf(run, entry);
  if (!model) return "";
  return h("a", { href: artefactAddress(model.id), download: "", "aria-label": `Download ${entry.label}` }, "Download");
}

function formsTable({ models }, run) {
  const batches = models[0].speeds.map(({ batch }) => batch);
  const columns = [...words("Model"), "Size", "Parameters",
    ...batches.flatMap((batch) => [`Batch ${batch}`, "Images/s"]), "Accuracy", ...words("File")];
  return table(columns, models.map((entry) => [
    entry.label, bytes(entry.file_bytes), count(entry.parameters),
    ...entry.speeds.flatMap((speed) => [milliseconds(speed.seconds), count(speed.images_per_second)]),
    accuracyText(entry), downloadOf(entry, run),
  ]), { label: "Every form of the model" });
}

function actions(run, form, first) {
  const [model, before] = [form, first].map((entry) => modelOf(run, entry));
  const beside = [before, model].filter(Boolean).map(({ id }) => id).join("\n");
  const download = `Download ${form.label} (${bytes(form.file_bytes)})`;
  return row(
    model && h("a", { class: "button", href: artefactAddress(model.id), download: "" }, download),
    model && button("Try it beside the model before", () => go("try", beside)),
    run.has_report && button("Open the report", () => go("runs", run.id)));
}

function keepInMind(warnings) {
  return warnings.length > 0 && h("details", { class: "note" }, h("summary", {}, `${warnings.length} to keep in mind`),
    h("ul", {}, warnings.map((warning) => h("li", {}, warning))));
}

// The results of a run that has a report.json.
export function compressResults(run) {
  const { report } = run.results;
  const [first, ...forms] = report.models;
  const headline = forms.find(({ label }) => label === report.headline) || forms[forms.length - 1];
  if (!headline) return h("p", { class: "note" }, "This report holds the model before and nothing else.");
  const batches = first.speeds.map(({ batch }) => batch);
  const figures = stack();
  const ofForm = forms.length > 1 &&
    choice("form", "Form", forms.map(({ label }) => [label, label]), headline.label, () => show());
  const batchNames = batches.map((batch) => [String(batch), batch === 1 ? "1 image" : `${batch} images`]);
  const ofBatch = batches.length > 1 && choice("batch", "Timed with", batchNames, String(batches[0]), () => show());
  function show() {
    const form = ofForm ? forms.find(({ label }) => label === ofForm.value) : headline;
    const batch = ofBatch ? Number(ofBatch.value) : batches[0];
    replace(figures, fiveResults(form, first, batch), form.how && hint(`${form.label}: ${form.how}.`),
      actions(run, form, first));
  }
  show();
  return stack(
    row(ofForm && ofForm.element, ofBatch && ofBatch.element), figures,
    run.job?.code === 4 && h("p", { class: "note" }, `The budget was missed: ${run.job.error}`),
    keepInMind(report.warnings), titled("Every form, measured", formsTable(report, run)));
}

// A model that was only measured, not changed: `model` is its entry in the list of models.
export function resultsAsItIs({ results: { profile } }, model) {
  const perSecond = (profile.runs * profile.batch) / profile.wall_seconds;
  const share = model?.accuracy;
  return tiles(
    tile("Size reduction", percent(0, 1), "left as it is"), tile("Speed-up", times(1), "left as it is"),
    tile("Parameter reduction", percent(0, 1), model && `${count(model.parameters)} parameters`),
    tile("Final size", model?.bytes ? bytes(model.bytes) : "–", profile.dtype),
    tile("Images per second", count(perSecond), batchText(profile.batch)),
    typeof share === "number" && tile("Accuracy", percent(share), `of ${model.accuracy_of} images`, "accuracy"));
}
