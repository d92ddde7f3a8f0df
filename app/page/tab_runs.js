// Runs: all that was ever run here: search, open, compare two.
import { fileAddress, getText } from "./api.js";
import { h, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, clock, count, fixed, moment, percent, seconds, times } from "./format.js";
import { table } from "./chart_figure.js";
import { jobCard } from "./job_card.js";
import { markdown } from "./markdown.js";
import { emptyNote } from "./notes.js";
import { fetchRun } from "./run_data.js";
import { compareRuns } from "./runs_compare.js";
import { known, watch } from "./store.js";
import { go } from "./tabs.js";

// The one or two figures that tell a run from its neighbours.
const results = {
  train: ({ validation_accuracy: share }) => share !== undefined && `accuracy ${percent(share)}`,
  compress: (s) => s.times_as_fast !== undefined && `${times(s.times_as_fast)} as fast, ${bytes(s.file_bytes)}, ${percent(s.accuracy)}`,
  learn: (s) => s.average_accuracy !== undefined && `accuracy ${percent(s.average_accuracy)}, forgetting ${fixed(100 * s.forgetting, 1)}`,
  profile: (s) => s.seconds_a_run !== undefined && `${seconds(s.seconds_a_run)} a run`,
  bench: (s) => s.clock_ghz !== undefined && `${fixed(s.clock_ghz, 2)} GHz`,
};
const resultText = (run) => results[run.verb]?.(run.summary || {}) || "";

const found = (run, words) => {
  const text = [run.id, run.title, run.verb, run.state, resultText(run), ...Object.values(run.summary || {})].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

function listOf(runs, chosen, onchoose) {
  const box = (run) => h("input", { type: "checkbox", "aria-label": `Compare ${run.id}`, checked: chosen.has(run.id), onchange: (event) => onchoose(run.id, event.target) });
  return table([{ name: "Run", text: true }, { name: "What", text: true }, { name: "State", text: true }, { name: "Result", text: true }, "Begun", "Compare"],
    runs.map((run) => [h("a", { href: `#runs/${encodeURIComponent(run.id)}` }, run.id), `${run.verb}: ${run.title}`, run.state, resultText(run), moment(run.started), box(run)]),
    { label: "Runs", words: true });
}

// Pictures and files of this run's own folder, and nothing else.
function addressIn(run) {
  const paths = new Set(run.files.map(({ path }) => path));
  return (target) => (paths.has(target) ? fileAddress(run.id, target) : null);
}

function filesOf(run) {
  return h("details", {}, h("summary", {}, `${count(run.files.length)} files`), h("ul", { class: "files" }, run.files.map((file) =>
    h("li", {}, h("a", { href: `${fileAddress(run.id, file.path)}?download=1`, download: "" }, file.path), ` ${bytes(file.bytes)}`))));
}

async function detailOf(id) {
  const run = await fetchRun(id);
  const report = run.files.some(({ path }) => path === "report.md") ? await getText(fileAddress(id, "report.md")) : null;
  const took = run.job?.ended && run.job.started ? `, ${clock(run.job.ended - run.job.started)}` : "";
  return h("div", { class: "stack" },
    h("p", { class: "hint" }, `${run.verb} of ${run.title} · ${run.state}${took} · begun ${moment(run.started)}`),
    run.job && run.state !== "done" && jobCard(run.job),
    run.job?.command && h("p", { class: "hint" }, "As a command: ", h("code", {}, run.job.command)), filesOf(run),
    h("article", { class: "card report" }, report ? markdown(report, addressIn(run)) : settingsOnly(run)));
}

function settingsOnly(run) {
  return h("div", { class: "prose" }, h("p", {}, "This run wrote no report.md (yet)."),
    run.config && [h("h4", {}, "Settings"), h("pre", { tabindex: "0" }, h("code", {}, JSON.stringify(run.config, null, 2)))],
    run.log && [h("h4", {}, "What it printed last"), h("pre", { tabindex: "0" }, h("code", {}, run.log))]);
}

let shown = "";  // the run that is open, two names with a line break between them, or nothing
let place = null;
const chosen = new Set();
let query = "";

function overview() {
  const list = h("div"), compare = h("button", { type: "button", class: "primary", onclick: () => go("runs", [...chosen].join("\n")) }, "Compare two");
  const search = h("input", { type: "search", name: "search", value: query, autocomplete: "off" });
  const update = () => {
    query = search.value;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const runs = known.runs.filter((run) => found(run, words));
    replace(list, runs.length ? listOf(runs, chosen, choose) : emptyNote(known.runs.length ? "No run has all of these words" : "No run yet", known.runs.length ? "Search for less." : "What you train, compress or learn will be listed here."));
    compare.disabled = chosen.size !== 2;
  };
  const choose = (id, box) => {
    if (!chosen.delete(id)) chosen.add(id);
    if (chosen.size > 2) chosen.delete(chosen.values().next().value);
    for (const each of list.querySelectorAll("input[type=checkbox]")) each.checked = chosen.has(each.getAttribute("aria-label").slice("Compare ".length));
    compare.disabled = chosen.size !== 2;
    box.focus();
  };
  search.addEventListener("input", update);
  update();
  return { update, element: h("div", { class: "stack" }, h("div", { class: "row between" },
    h("div", { class: "narrow" }, field("Search", search, "Words of a run's name, model, settings or state.")), compare), list) };
}

let list = null;

async function show() {
  const ids = shown.split("\n").filter(Boolean), mine = shown;
  list = null;
  if (!ids.length) {
    list = overview();
    return replace(place, list.element);
  }
  const back = h("p", {}, h("a", { href: "#runs" }, "← All runs"));
  const title = h("h3", { tabindex: "-1" }, ids.length === 2 ? "Two runs compared" : ids[0]);
  const body = h("div", {}, h("p", { class: "hint" }, "Reading …"));
  replace(place, h("div", { class: "stack" }, back, title, body));
  title.focus();
  try {
    const element = ids.length === 2 ? await compareRuns(ids) : await detailOf(ids[0]);
    if (mine === shown) replace(body, element);
  } catch (error) {
    if (mine === shown) replace(body, h("p", { class: "complaint", role: "alert" }, error.message));
  }
}

function build(panel) {
  place = h("div", { class: "spaced" });
  replace(panel, h("h2", {}, "Runs"), h("p", { class: "lead" }, "All that was trained, compressed, learned and measured here, by this page or on the command line."), place);
  watch("runs", () => list?.update());
}

function open(rest) {
  shown = rest;
  show();
}

export const runsTab = { id: "runs", title: "Runs", build, open };
