// Keeps `known` up to date: everything once, then what the server's events say. A connection that
// breaks is shown and taken up again, and what was missed meanwhile is asked for.
import { get } from "./api.js";
import { replace } from "./dom.js";
import { known, set, tell } from "./store.js";

const retryMilliseconds = 1500;

async function load(what, path, field) {
  const body = await get(path);
  set(what, field ? body[field] : body);
}

export const loadMachine = () => load("machine", "/api/machine");
export const loadModels = () => load("models", "/api/models", "models");
const loadRuns = () => load("runs", "/api/runs", "runs");
export const loadJobs = () => load("jobs", "/api/jobs", "jobs");

function takeJob(job) {
  const others = known.jobs.filter((other) => other.id !== job.id);
  const before = known.jobs.find((other) => other.id === job.id);
  // The newest first, as the server lists them.
  const at = before ? known.jobs.indexOf(before) : 0;
  others.splice(at, 0, job);
  set("jobs", others);
  const ended = before && before.state !== job.state;
  if (ended) refresh();
}

// Runs and models change together: a run's checkpoints are models.
const refresh = () => Promise.all([loadRuns(), loadModels()]).catch(() => {});

function showConnection(connected) {
  if (known.connected === connected) return;
  const banner = document.getElementById("connection");
  replace(banner, connected ? "" : "The connection to the server is lost; trying again. Jobs go on " +
    "without this page. If the server was stopped, start it again with: espalier serve");
  banner.hidden = connected;
  set("connected", connected);
}

export function follow() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => {
    showConnection(true);
    Promise.all([loadJobs(), refresh()]).catch(() => {});
  });
  events.addEventListener("job", (event) => takeJob(JSON.parse(event.data)));
  events.addEventListener("metrics", (event) => tell("metrics", JSON.parse(event.data)));
  events.addEventListener("runs", refresh);
  events.addEventListener("removed", (event) => {
    const { job } = JSON.parse(event.data);
    set("jobs", known.jobs.filter(({ id }) => id !== job));
  });
  events.addEventListener("error", () => {
    showConnection(false);
    // The browser tries again by itself, except where the server refused.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, retryMilliseconds);
  });
}

export async function loadAll() {
  await Promise.all([
    loadMachine(), load("settings", "/api/settings"), loadModels(), loadRuns(),
    loadJobs(),
  ]);
}
