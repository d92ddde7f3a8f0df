// Runs: all that was ever run here: search, open, compare two.
import { fileAddress, getText } from "./api.js";
import { h, replace } from "./dom.js";
import { field } from "./form.js";
import { bytes, clock, count, fixed, moment, percent, seconds, times } from "./format.js";
import { table, words } from "./chart_figure.js";
import { jobCard } from "./job_card.js";
import { markdown } from "./markdown.js";
import { button, emptyNote, hint, joined, stack, tabPage, wrong } from "./notes.js";
import { fetchRun } from "./run_data.js";
import { compareRuns } from "./runs_compare.js";
import { known, watch } from "./store.js";
import { go } from "./tabs.js";

// The one or two figures that tell a run from its neighbours.
const results = {
  train: ({ validation_accuracy: share }) => share !== undefined && `accuracy ${percent(share)}`,
  compress: ({ times_as_fast: speed, file_bytes: size, accuracy }) =>
    speed !== undefined && `${times(speed)} as fast, ${bytes(size)}, ${percent(accuracy)}`,
  learn: ({ average_accuracy: share, forgetting }) =>
    share !== undefined && `accuracy ${percent(share)}, forgetting ${fixed(100 * forgetting, 1)}`,
  profile: ({ seconds_a_run: time }) => time !== undefined && `${seconds(time)} a run`,
  bench: ({ clock_ghz: clock }) => clock !== undefined && `${fixed(clock, 2)} GHz`,
};
const resultText = ({ verb, summary }) => results[verb]?.(summary) || "";

function found(run, asked) {
  const { id, title, verb, state, summary } = run;
  const text = [id, title, verb, state, resultText(run), ...Object.values(summary)].join(" ").toLowerCase();
  return asked.every((word) => text.includes(word));
}

function listOf(runs, chosen, onchoose) {
  const rows = runs.map((run) => [
    h("a", { href: `#runs/${encodeURIComponent(run.id)}` }, run.id), `${run.verb}: ${run.title}`, run.state,
    resultText(run), moment(run.started),
    h("input", {
      type: "checkbox", value: run.id, "aria-label": `Compare ${run.id}`, checked: chosen.has(run.id),
      onchange: () => onchoose(run.id),
    }),
  ]);
  return table([...words("Run", "What", "State", "Result"), "Begun", "Compare"], rows, { label: "Runs", narrow: true });
}

// Pictures and files of this run's own folder, and nothing else.
function addressIn(run) {
  const paths = new Set(run.files.map(({ path }) => path));
  return (target) => (paths.has(target) ? fileAddress(run.id, target) : null);
}

function filesOf(run) {
  const link = ({ path }) => h("a", { href: `${fileAddress(run.id, path)}?download=1`, download: "" }, path);
  return h("details", {}, h("summary", {}, `${count(run.files.length)} files`),
    h("ul", { class: "files" }, run.files.map((file) => h("li", {}, link(file), ` ${bytes(file.bytes)}`))));
}

const code = (title, text) => [h("h4", {}, title), h("pre", { tabindex: "0" }, h("code", {}, text))];

function settingsOnly(run) {
  return h("div", { class: "prose" }, h("p", {}, "This run wrote no report.md (yet)."),
    run.config && code("Settings", JSON.stringify(run.config, null, 2)),
    run.log && code("What it printed last", run.log));
}

async function detailOf(id) {
  const run = await fetchRun(id);
  const { verb, title, state, job } = run;
  const hasReport = run.files.some(({ path }) => path === "report.md");
  const report = hasReport && markdown(await getText(fileAddress(id, "report.md")), addressIn(run));
  const took = job?.ended && job.started && clock(job.ended - job.started);
  return stack(
    hint(joined([`${verb} of ${title}`, state, took && `took ${took}`, `begun ${moment(run.started)}`])),
    job && state !== "done" && jobCard(job),
    job?.command && hint("As a command: ", h("code", {}, job.command)), filesOf(run),
    h("article", { class: "card report" }, report || settingsOnly(run)));
}

const chosen = new Set();  // to be compared: two at most
let query = "";

function overview() {
  const list = h("div");
  const compare = button("Compare two", () => go("runs", [...chosen].join("\n")), "primary");
  const search = h("input", { type: "search", name: "search", value: query, autocomplete: "off", oninput: update });
  function update() {
    query = search.value;
    const runs = known.runs.filter((run) => found(run, query.toLowerCase().split(/\s+/).filter(Boolean)));
    const none = () => known.runs.length
      ? emptyNote("No run has all of these words", "Search for less.")
      : emptyNote("No run yet", "What you train, compress or learn will be listed here.");
    replace(list, runs.length ? listOf(runs, chosen, choose) : none());
    compare.disabled = chosen.size !== 2;
  }
  // Of three the one that was chosen first goes.
  function choose(id) {
    if (!chosen.delete(id)) chosen.add(id);
    if (chosen.size > 2) chosen.delete(chosen.values().next().value);
    for (const box of list.querySelectorAll("input[type=checkbox]")) box.checked = chosen.has(box.value);
    compare.disabled = chosen.size !== 2;
  }
  update();
  const searching = h("div", { class: "narrow" },
    field("Search", search, "Words of a run's name, model, settings or state."));
  return { update, element: stack(h("div", { class: "row between" }, searching, compare), list) };
}

let place = null, list = null;
let shown = "";  // the run that is open, two names with a line break between them, or nothing

async function show() {
  const ids = shown.split("\n").filter(Boolean), mine = shown;
  list = ids.length ? null : overview();
  if (list) return replace(place, list.element);
  const title = h("h3", { tabindex: "-1" }, ids.length === 2 ? "Two runs compared" : ids[0]);
  const body = h("div", {}, hint("Reading …"));
  replace(place, stack(h("p", {}, h("a", { href: "#runs" }, "← All runs")), title, body));
  title.focus();
  try {
    const element = ids.length === 2 ? await compareRuns(ids) : await detailOf(ids[0]);
    if (mine === shown) replace(body, element);
  } catch (error) {
    if (mine === shown) replace(body, wrong(error));
  }
}

function build(panel) {
  place = h("div", { class: "spaced" });
  tabPage(panel, "Runs",
    "All that was trained, compressed, learned and measured here, by this page or on the command line.", place);
  watch("runs", () => list?.update());
}

function open(rest) {
  shown = rest;
  show();
}

export const runsTab = { id: "runs", title: "Runs", build, open };
