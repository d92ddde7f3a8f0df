// What the server told us last, and who wants to hear when it changes.

export const known = {
  machine: null,
  settings: null,
  models: [],
  runs: [],
  jobs: [],
  connected: null,  // null until the first event stream opened
};

const listeners = new Map();

// Calls `fn` at every change of `what`: one of the names of `known`, or "metrics", new lines of a run.
export function watch(what, fn) {
  if (!listeners.has(what)) listeners.set(what, new Set());
  listeners.get(what).add(fn);
}

export function tell(what, value) {
  for (const fn of listeners.get(what) || []) fn(value);
}

export function set(what, value) {
  known[what] = value;
  tell(what, value);
}

export const isActive = (job) => ["running", "queued", "stopping"].includes(job.state);
export const modelById = (id) => known.models.find((model) => model.id === id);

// The newest job of these verbs that is running or waits.
export function activeJob(...verbs) {
  return known.jobs.find((job) => verbs.includes(job.verb) && isActive(job));
}
