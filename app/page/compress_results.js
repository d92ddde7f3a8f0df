// What a compression gained and what it cost: the five results, accuracy beside them, every form as
// a table, and the files to take along. All figures are those of the run's report.json.
import { h, replace } from "./dom.js";
import { bytes, count, fixed, milliseconds, percent, times } from "./format.js";
import { choice } from "./form.js";
import { table } from "./chart_figure.js";
import { tile } from "./notes.js";
import { artefactAddress, modelOf } from "./run_data.js";
import { go } from "./tabs.js";

const batchText = (batch) => (batch === 1 ? "one image at a time" : `${count(batch)} images at once`);
const accuracyText = (entry) => `${percent(entry.accuracy)} ± ${fixed(100 * entry.half_interval_95, 2)}`;
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
  const { batch } = speed;
  return [
    tile("Speed-up", times(speed.times_as_fast), `${milliseconds(before.seconds)} → ${milliseconds(speed.seconds)}, ${batchText(batch)}`, "first"),
    tile("Images per second", count(speed.images_per_second), `${batchText(batch)}, ± ${percent(speed.spread, 0)}`),
  ];
}

function fiveResults(form, first, batch) {
  const at = (entry) => entry.speeds.find((speed) => speed.batch === batch);
  const [speedUp, images] = speedTiles(at(form), at(first));
  return h("dl", { class: "results" },
    tile("Size reduction", reduction(form.file_bytes, first.file_bytes), `${bytes(first.file_bytes)} before`, "first"),
    speedUp,
    tile("Parameter reduction", reduction(form.parameters, first.parameters), `${count(first.parameters)} → ${count(form.parameters)}`, "first"),
    tile("Final size", bytes(form.file_bytes), `${count(form.file_bytes)} bytes in ${form.dtype}`),
    images,
    tile("Accuracy", `${accuracyText(form)} %`.replace("% ±", "±"),
      [`before ${percent(first.accuracy)}, of ${count(form.samples)} test images`, chance(form)].filter(Boolean).join("; "), "accuracy"));
}

function formsTable(report, run) {
  const batches = report.models[0].speeds.map(({ batch }) => batch);
  const columns = [{ name: "Model", text: true }, "Size", "Parameters",
    ...batches.flatMap((batch) => [`Batch ${batch}`, "Images/s"]), "Accuracy", { name: "File", text: true }];
  return table(columns, report.models.map((entry) => [
    entry.label, bytes(entry.file_bytes), count(entry.parameters),
    ...entry.speeds.flatMap((speed) => [milliseconds(speed.seconds), count(speed.images_per_second)]),
    `${accuracyText(entry)} %`.replace("% ±", "±"), downloadOf(entry, run),
  ]), { label: "Every form of the model" });
}

function downloadOf(entry, run) {
  const model = modelOf(run, entry);
  if (!model) return "";
  return h("a", { href: artefactAddress(model.id), download: "", "aria-label": `Download ${entry.label}` }, "Download");
}

function actions(run, form, first) {
  const [model, before] = [form, first].map((entry) => modelOf(run, entry));
  const sides = [before, model].filter(Boolean).map(({ id }) => id);
  return h("div", { class: "row" },
    model && h("a", { class: "button", href: artefactAddress(model.id), download: "" }, `Download ${form.label} (${bytes(form.file_bytes)})`),
    model && h("button", { type: "button", class: "quiet", onclick: () => go("try", sides.join("\n")) }, "Try it beside the model before"),
    run.has_report && h("button", { type: "button", class: "quiet", onclick: () => go("runs", run.id) }, "Open the report"));
}

// The results of a run that has a report.json.
export function compressResults(run) {
  const report = run.results.report;
  const [first, ...forms] = report.models;
  const headline = forms.find(({ label }) => label === report.headline) || forms[forms.length - 1];
  if (!headline) return h("p", { class: "note" }, "This report holds the model before and nothing else.");
  const batches = first.speeds.map(({ batch }) => batch);
  const tiles = h("div", { class: "stack" });
  const ofForm = forms.length > 1 &&
    choice("form", "Form", forms.map(({ label }) => [label, label]), headline.label, () => show());
  const ofBatch = batches.length > 1 &&
    choice("batch", "Timed with", batches.map((batch) => [String(batch), batch === 1 ? "1 image" : `${batch} images`]), String(batches[0]), () => show());
  function show() {
    const form = ofForm ? forms.find(({ label }) => label === ofForm.value) : headline;
    replace(tiles, fiveResults(form, first, ofBatch ? Number(ofBatch.value) : batches[0]),
      form.how && h("p", { class: "hint" }, `${form.label}: ${form.how}.`), actions(run, form, first));
  }
  show();
  return h("div", { class: "stack" },
    h("div", { class: "row" }, ofForm && ofForm.element, ofBatch && ofBatch.element), tiles,
    run.job?.code === 4 && h("p", { class: "note" }, `The budget was missed: ${run.job.error}`),
    report.warnings.length > 0 && h("details", { class: "note" }, h("summary", {}, `${report.warnings.length} to keep in mind`),
      h("ul", {}, report.warnings.map((warning) => h("li", {}, warning)))),
    h("section", { class: "card" }, h("h3", {}, "Every form, measured"), formsTable(report, run)));
}

// A model that was only measured, not changed: `model` is its entry in the list of models.
export function resultsAsItIs(run, model) {
  const profile = run.results.profile;
  const perSecond = (profile.runs * profile.batch) / profile.wall_seconds;
  return h("dl", { class: "results" },
    tile("Size reduction", percent(0, 1), "left as it is"), tile("Speed-up", times(1), "left as it is"),
    tile("Parameter reduction", percent(0, 1), model && `${count(model.parameters)} parameters`),
    tile("Final size", model?.bytes ? bytes(model.bytes) : "–", profile.dtype),
    tile("Images per second", count(perSecond), batchText(profile.batch)),
    typeof model?.accuracy === "number" && tile("Accuracy", percent(model.accuracy), `of ${model.accuracy_of} images`, "accuracy"));
}
