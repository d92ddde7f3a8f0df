// What lies in run folders, as the tabs need it.
import { get } from "./api.js";
import { moment } from "./format.js";
import { reoption, select } from "./form.js";
import { loadModels } from "./live.js";
import { activeJob, known, modelById, watch } from "./store.js";

// A run's folder, once its models are in the list.
export async function fetchRun(id) {
  const run = await get(`/api/runs/${encodeURIComponent(id)}`);
  if (run.models.some((model) => !modelById(model))) await loadModels();
  return run;
}

export const artefactAddress = (id) => `/api/models/${encodeURIComponent(id)}/artefact`;

// The file name that ends a path: how a report and the list of models speak of the same file.
const fileName = (path) => path.split("/").pop();

// The model in the list that a report's entry was measured on, where it is still there.
export function modelOf(run, entry) {
  const ids = new Set(run.models);
  return known.models.find((model) => ids.has(model.id) && model.path && fileName(model.path) === fileName(entry.path));
}

function runText(run) {
  return [run.title, run.state === "done" ? moment(run.started) : run.state, run.id].filter(Boolean).join(" · ");
}

// A select of runs that `accept` takes, the newest first, which follows what the server has.
// `onchange` is told the run's name, empty where there is none. `current` is the run to begin with:
// that of an active job of these verbs, or the one that is chosen.
export function runSelect(name, accept, onchange) {
  let wanted = "";  // a run that the list may not hold yet
  const has = (id) => [...element.options].some(({ value }) => value === id);
  const element = select(name, [], "", () => {
    wanted = "";
    onchange(element.value);
  });
  function refresh() {
    const runs = known.runs.filter(accept);
    const before = element.value;
    reoption(element, runs.length ? runs.map((run) => [run.id, runText(run)]) : [["", "No run yet"]]);
    element.disabled = runs.length === 0;
    if (has(wanted)) element.value = wanted;
    else if (before === "" && element.value !== "" && !wanted) onchange(element.value);
  }
  function choose(id) {
    wanted = id;
    if (has(id)) element.value = id;
  }
  watch("runs", refresh);
  refresh();
  return {
    element,
    choose,
    current(...verbs) {
      const job = activeJob(...verbs);
      if (job) choose(job.run);
      return job ? job.run : element.value;
    },
  };
}
