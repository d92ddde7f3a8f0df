// Hardware: this machine's ceilings as a roofline, every layer of a model under it, and why a search
// chose the forms that it chose.
import { h, keepingFocus, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, count, fixed, milliseconds, percent, rate, significant } from "./format.js";
import { table, words } from "./chart_figure.js";
import { layerColumns, layerRows, rooflineChart } from "./chart_roofline.js";
import { jobCard } from "./job_card.js";
import { verbForm } from "./job_tab.js";
import { loadMachine } from "./live.js";
import { card, emptyNote, stack, tabPage, threadsText, titled } from "./notes.js";
import { runSelect } from "./run_data.js";
import { runView } from "./run_view.js";
import { activeJob, known, watch } from "./store.js";

const arithmetics = ["f32", "bf16", "int8"];

// The best row of each arithmetic and each level on as many threads as were measured at most.
function ceilingsOf({ peaks, copies }) {
  const threads = Math.max(...peaks.map((peak) => peak.threads));
  const best = (list, value) =>
    list.filter((each) => each.threads === threads).sort((a, b) => b[value] - a[value])[0];
  const fastest = arithmetics.map((kind) => best(peaks.filter((peak) => peak.arithmetic === kind), "gops"));
  const levels = [...new Set(copies.map(({ level }) => level))];
  const widest = levels.map((level) => best(copies.filter((copy) => copy.level === level), "gigabytes_per_second"));
  return {
    threads,
    peaks: fastest.filter(Boolean).map(({ arithmetic, isa, gops }) =>
      ({ arithmetic, name: `${arithmetic} by ${isa}`, rate: 1e9 * gops })),
    bandwidths: widest.filter(Boolean).map((copy) =>
      ({ name: `${copy.level} bandwidth`, rate: 1e9 * copy.gigabytes_per_second })),
  };
}

const ceilingsIn = ({ ceilings, bandwidths = [] }) => ({
  peaks: ceilings.map((roof) =>
    ({ arithmetic: roof.arithmetic, name: `${roof.arithmetic} by ${roof.row}`, rate: roof.operations_per_second })),
  bandwidths: bandwidths.map((band) => ({ name: `${band.level} bandwidth`, rate: band.bytes_per_second })),
});

function facts(pairs) {
  const there = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h("dl", { class: "facts" }, there.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function machineCard() {
  const { cpu, isa, threads, memory_bytes: memory, compiler, hardware } = known.machine;
  return titled("This machine", facts([
    ["Processor", cpu], ["Kernels", isa], ["Threads", threads], ["Memory", memory && bytes(memory)],
    ["Clock", hardware && `${fixed(hardware.clock_ghz, 2)} GHz`],
    ["Caches", hardware && hardware.caches.map((cache) => `L${cache.level} ${bytes(cache.bytes)}`).join(", ")],
    ["Built by", compiler],
  ]));
}

// Ceilings of the machine alone, drawn again when they are measured.
function machineRoofs() {
  const { hardware } = known.machine;
  const job = activeJob("bench");
  if (job) return jobCard(job);
  if (!hardware)
    return emptyNote("The ceilings of this machine are not measured yet",
      "Press Measure this machine: it takes a minute at most, and it should have nothing else to do meanwhile.");
  const ceilings = ceilingsOf(hardware);
  return [
    titled(`Ceilings on ${threadsText(ceilings.threads)}`, table([...words("Ceiling"), "At most"], [
      ...ceilings.peaks.map((peak) => [peak.name, rate(peak.rate)]),
      ...ceilings.bandwidths.map((band) => [band.name, `${significant(1e-9 * band.rate)} GB/s`]),
    ])),
    card(rooflineChart(ceilings)),
  ];
}

function profileFacts(profile) {
  const { model, dtype, batch, threads, runs, wall_seconds: wall } = profile;
  return facts([
    ["Model", `${model} in ${dtype}, batch of ${batch}, ${threadsText(threads)}`],
    ["Time of a run", milliseconds(wall / runs)],
    ["Images per second", count((runs * batch) / wall)],
    ["Memory", `${bytes(profile.activation_bytes)} of activations, ${bytes(profile.weight_bytes)} of packed weights`],
    ["Cost of the profiler", percent(profile.profiler_overhead, 2)],
  ]);
}

function drawProfile(run) {
  const { profile } = run.results;
  if (!profile) return run.job ? jobCard(run.job) : emptyNote("This run has no profile");
  const ceilings = ceilingsIn(profile);
  return stack(
    ceilings.bandwidths.length > 0 && card(rooflineChart(ceilings, profile)),
    card(profileFacts(profile)),
    titled("Where the time goes, layer by layer", table(layerColumns, layerRows(profile), { label: "Layers" })));
}

const timeOf = (value) => (typeof value === "number" ? milliseconds(value) : "–");

function drawWhy(run) {
  const found = run.results.optimization;
  if (!found)
    return emptyNote("This run made no choice by measurement", "Compress with a target, and the reasons stand here.");
  const forms = Object.keys(found.why[0]?.expected_seconds || {});
  const chosen = found.models[found.chosen];
  const columns = [...words("Part", "Form"), ...forms, "measured",
    ...words("Kernel", "Bound by", "Reason")];
  const expected = (part) => forms.map((form) => timeOf(part.expected_seconds[form]));
  const rows = found.why.map((part) => [
    part.part, part.form, ...expected(part), timeOf(part.measured_seconds), part.kernel, part.bound, part.reason,
  ]);
  return card(
    h("p", {}, chosen
      ? ["Chosen for ", h("strong", {}, found.target), ": ", h("strong", {}, chosen.name), "."]
      : "No model met the budget.",
      " What each part was expected to take in each form, and what it takes in the one it has."),
    table(columns, rows, { label: "Why this model" }));
}

// A place for a run of some kind, and the select that chooses it.
function chosenRun(id, name, accept, draw, ...empty) {
  const place = h("div", { class: "stack", id });
  const view = runView(place, { draw, invitation: () => emptyNote(...empty) });
  return { place, view, runs: runSelect(name, accept, (run) => view.show(run)) };
}

function build(panel) {
  const machine = h("div"), roofs = h("div", { class: "stack", id: "bench-results" });
  const layers = chosenRun("profile-results", "run", (run) => run.verb === "profile", drawProfile,
    "No model was profiled yet",
    "Choose one and press Profile: each of its layers is then timed and held against the roofs.");
  const why = chosenRun("why-results", "choice", (run) => run.verb === "compress" && run.summary.target, drawWhy,
    "No choice by measurement yet",
    "Compress with a target, and the reason for each part of the chosen model stands here.");
  const showRoofs = () => keepingFocus(roofs, () => replace(roofs, machineRoofs()));
  const showMachine = () => {
    replace(machine, machineCard());
    showRoofs();
  };
  let measuring = false;
  watch("machine", showMachine);
  watch("jobs", () => {
    const now = Boolean(activeJob("bench"));
    if (now) showRoofs();
    else if (measuring) loadMachine().catch(() => {});  // the new ceilings
    measuring = now;
  });
  const profiled = (job) => {
    layers.runs.choose(job.run);
    layers.view.show(job.run);
  };
  tabPage(panel, "Hardware", "What this machine can do at most, and how near each layer of a model comes to it.",
    h("div", { class: "sides" },
      stack(machine,
        verbForm("bench", {
          button: "Measure this machine", label: "Measure this machine", kind: "wide", onstarted: showRoofs,
        }),
        verbForm("profile", { button: "Profile", label: "Profile a model", onstarted: profiled })),
      stack(roofs, field("Profile", layers.runs.element), layers.place,
        h("h3", { class: "section" }, "Why this form"), field("Choice by measurement", why.runs.element), why.place)));
  showMachine();
  layers.view.show(layers.runs.current("profile"));
  why.view.show(why.runs.element.value);
}

export const hardwareTab = { id: "hardware", title: "Hardware", build };
