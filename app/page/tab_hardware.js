// Hardware: this machine's ceilings as a roofline, every layer of a model under it, and why a search
// chose the forms that it chose.
import { h, keepingFocus, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, count, fixed, milliseconds, percent, rate, significant } from "./format.js";
import { table } from "./chart_figure.js";
import { layerColumns, layerRows, rooflineChart } from "./chart_roofline.js";
import { jobCard } from "./job_card.js";
import { verbForm } from "./job_tab.js";
import { loadMachine } from "./live.js";
import { emptyNote } from "./notes.js";
import { runSelect } from "./run_data.js";
import { runView } from "./run_view.js";
import { activeJob, known, watch } from "./store.js";

const arithmetics = ["f32", "bf16", "int8"];

// The best row of each arithmetic and each level on as many threads as were measured at most.
function ceilingsOf(hardware) {
  const threads = Math.max(...hardware.peaks.map((peak) => peak.threads));
  const best = (list, value) => list.filter((each) => each.threads === threads).sort((a, b) => b[value] - a[value])[0];
  const peaks = arithmetics.map((arithmetic) => best(hardware.peaks.filter((p) => p.arithmetic === arithmetic), "gops")).filter(Boolean)
    .map((p) => ({ arithmetic: p.arithmetic, name: `${p.arithmetic} by ${p.isa}`, rate: 1e9 * p.gops }));
  const levels = [...new Set(hardware.copies.map(({ level }) => level))];
  const bandwidths = levels.map((level) => best(hardware.copies.filter((c) => c.level === level), "gigabytes_per_second")).filter(Boolean)
    .map((c) => ({ name: `${c.level} bandwidth`, rate: 1e9 * c.gigabytes_per_second }));
  return { threads, peaks, bandwidths };
}

const ceilingsIn = (profile) => ({
  peaks: profile.ceilings.map((c) => ({ arithmetic: c.arithmetic, name: `${c.arithmetic} by ${c.row}`, rate: c.operations_per_second })),
  bandwidths: (profile.bandwidths || []).map((b) => ({ name: `${b.level} bandwidth`, rate: b.bytes_per_second })),
});

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function machineCard() {
  const { cpu, isa, threads, memory_bytes: memory, compiler, hardware } = known.machine;
  const caches = hardware && hardware.caches.map((c) => `L${c.level} ${bytes(c.bytes)}`).join(", ");
  return h("section", { class: "card" }, h("h3", {}, "This machine"), facts([
    ["Processor", cpu], ["Kernels", isa], ["Threads", threads], ["Memory", memory && bytes(memory)],
    ["Clock", hardware && `${fixed(hardware.clock_ghz, 2)} GHz`], ["Caches", caches], ["Built by", compiler],
  ]));
}

// Ceilings of the machine alone, drawn again when they are measured.
function machineRoofs(place) {
  const { hardware } = known.machine;
  const job = activeJob("bench");
  if (job) return replace(place, jobCard(job));
  if (!hardware) return replace(place, emptyNote("The ceilings of this machine are not measured yet", "Press Measure this machine: it takes a minute at most, and it should have nothing else to do meanwhile."));
  const ceilings = ceilingsOf(hardware);
  replace(place, h("section", { class: "card" }, h("h3", {}, `Ceilings on ${ceilings.threads} thread${ceilings.threads === 1 ? "" : "s"}`),
    table([{ name: "Ceiling", text: true }, "At most"], [...ceilings.peaks.map((p) => [p.name, rate(p.rate)]),
      ...ceilings.bandwidths.map((b) => [b.name, `${significant(1e-9 * b.rate)} GB/s`])])),
    h("section", { class: "card" }, rooflineChart(ceilings)));
}

function profileFacts(profile) {
  return facts([
    ["Model", `${profile.model} in ${profile.dtype}, batch of ${profile.batch}, ${profile.threads} thread${profile.threads === 1 ? "" : "s"}`],
    ["Time of a run", milliseconds(profile.wall_seconds / profile.runs)],
    ["Images per second", count((profile.runs * profile.batch) / profile.wall_seconds)],
    ["Memory", `${bytes(profile.activation_bytes)} of activations, ${bytes(profile.weight_bytes)} of packed weights`],
    ["Cost of the profiler", percent(profile.profiler_overhead, 2)],
  ]);
}

function drawProfile(run) {
  const { profile } = run.results;
  if (!profile) return run.job ? jobCard(run.job) : emptyNote("This run has no profile");
  const ceilings = ceilingsIn(profile);
  return h("div", { class: "stack" },
    ceilings.bandwidths.length > 0 && h("section", { class: "card" }, rooflineChart(ceilings, profile)),
    h("section", { class: "card" }, profileFacts(profile)),
    h("section", { class: "card" }, h("h3", {}, "Where the time goes, layer by layer"), table(layerColumns, layerRows(profile), { label: "Layers" })));
}

function drawWhy(run) {
  const found = run.results.optimization;
  if (!found) return emptyNote("This run made no choice by measurement", "Compress with a target, and the reasons stand here.");
  const forms = Object.keys(found.why[0]?.expected_seconds || {});
  const columns = [{ name: "Part", text: true }, { name: "Form", text: true }, ...forms.map((form) => `expected in ${form}`), "measured",
    { name: "Kernel", text: true }, { name: "Bound by", text: true }, { name: "Reason", text: true }];
  const chosen = found.models[found.chosen];
  return h("section", { class: "card" }, h("p", {}, chosen ? ["Chosen for ", h("strong", {}, found.target), ": ", h("strong", {}, chosen.name), "."]
    : "No model met the budget."),
  table(columns, found.why.map((w) => [w.part, w.form, ...forms.map((form) => timeOf(w.expected_seconds[form])),
    timeOf(w.measured_seconds), w.kernel, w.bound, w.reason]), { label: "Why this model" }));
}

const timeOf = (value) => (typeof value === "number" ? milliseconds(value) : "–");

function build(panel) {
  const machine = h("div"), roofs = h("div", { class: "stack", id: "bench-results" });
  const layers = h("div", { class: "stack", id: "profile-results" }), why = h("div", { class: "stack", id: "why-results" });
  const view = runView(layers, { draw: drawProfile, invitation: () =>
    emptyNote("No model was profiled yet", "Choose one and press Profile: each of its layers is then timed and held against the roofs.") });
  const reasons = runView(why, { draw: drawWhy, invitation: () =>
    emptyNote("No choice by measurement yet", "Compress with a target, and the reason for each part of the chosen model stands here.") });
  const profiles = runSelect("run", (run) => run.verb === "profile", (id) => view.show(id));
  const choices = runSelect("choice", (run) => run.verb === "compress" && run.summary.target, (id) => reasons.show(id));
  const showMachine = () => {
    replace(machine, machineCard());
    machineRoofs(roofs);
  };
  const started = (job) => {
    profiles.choose(job.run);
    view.show(job.run);
  };
  watch("machine", showMachine);
  let measuring = false;
  watch("jobs", () => {
    const now = Boolean(activeJob("bench"));
    if (now) keepingFocus(roofs, () => machineRoofs(roofs));
    else if (measuring) loadMachine().catch(() => {});  // the new ceilings
    measuring = now;
  });
  replace(panel, h("h2", {}, "Hardware"),
    h("p", { class: "lead" }, "What this machine can do at most, and how near each layer of a model comes to it."),
    h("div", { class: "sides" },
      h("div", { class: "stack" }, machine, verbForm("bench", { button: "Measure this machine", label: "Measure this machine", kind: "wide", onstarted: showMachine }),
        verbForm("profile", { button: "Profile", label: "Profile a model", onstarted: started })),
      h("div", { class: "stack" }, roofs, field("Profile", profiles.element), layers,
        h("h3", { class: "section" }, "Why this form"), field("Choice by measurement", choices.element), why)));
  showMachine();
  view.show(profiles.current("profile"));
  reasons.show(choices.element.value);
}

export const hardwareTab = { id: "hardware", title: "Hardware", build };
