// Jobs: starting them, and the strip under the tabs that shows those that run, wait or were broken
// off, wherever the reader is.
import { post } from "./api.js";
import { announce, h, keepingFocus, replace } from "./dom.js";
import { clock, count } from "./format.js";
import { loadJobs } from "./live.js";
import { isActive, known, watch } from "./store.js";

const dismissed = new Set();

export const jobTitle = ({ title, verb }) => {
  const text = title || verb;
  return text[0].toUpperCase() + text.slice(1);
};

export async function start(verb, values) {
  const job = await post("/api/jobs", { verb, arguments: values });
  await loadJobs();
  announce(`${jobTitle(job)}: ${job.state}`);
  return job;
}

// "training vit-tiny: 120 of 1,716 steps · 1:20 left".
export function progressText(job) {
  if (job.state === "stopping") return "saving what it has, then it stops";
  if (job.state === "queued") return job.position > 1 ? `waits; ${job.position - 1} before it` : "waits its turn";
  const at = job.progress;
  if (!at) return "starting";
  const stage = at.stages > 1 ? `${at.stage} (part ${at.stage_number} of ${at.stages})` : at.stage;
  const steps = at.total ? `${count(at.done)} of ${count(at.total)} ${at.unit}` : "";
  const left = typeof at.seconds_left === "number" ? `${clock(at.seconds_left)} left` : "";
  return [[stage, steps].filter(Boolean).join(": "), left].filter(Boolean).join(" · ") || "running";
}

// A bar that moves to and fro where nobody knows how far it is.
export function progressBar(job) {
  const at = job.progress || {};
  const share = at.share ?? (at.total ? at.done / at.total : null);
  return h("progress", { max: 1, value: share === null ? undefined : share, "aria-label": `Progress: ${jobTitle(job)}` });
}

export function jobButton(job, text, what) {
  return h("button", {
    type: "button", class: "quiet", "data-key": `${job.id}-${what}`, "aria-label": `${text}: ${jobTitle(job)}`,
    async onclick(event) {
      event.target.disabled = true;
      try {
        await post(`/api/jobs/${encodeURIComponent(job.id)}/${what}`);
        await loadJobs();
      } catch (error) {
        event.target.disabled = false;
        announce(error.message);
        event.target.closest(".job").querySelector(".state").textContent = error.message;
      }
    },
  }, text);
}

export const stopButton = (job) => jobButton(job, job.state === "stopping" ? "Stop at once" : "Stop", "cancel");

function dismissButton(job) {
  return h("button", {
    type: "button", class: "quiet", "aria-label": `Dismiss: ${jobTitle(job)}`,
    onclick() {
      dismissed.add(job.id);
      showJobs();
    },
  }, "Dismiss");
}

function activeRow(job) {
  return h("div", { class: "job", "data-job": job.id, "data-state": job.state },
    h("strong", {}, jobTitle(job)), h("span", { class: "state" }, progressText(job)),
    job.state === "queued" ? h("span", {}) : progressBar(job), h("span", { class: "buttons" }, stopButton(job)));
}

const endings = { failed: "failed", cancelled: "stopped" };
const isBroken = (job) => job.state in endings && !dismissed.has(job.id);

function brokenRow(job) {
  const saved = job.started === null ? "It had not begun." : job.resumable && "What it had done is saved.";
  return h("div", { class: `job ${job.state}`, "data-job": job.id },
    h("strong", {}, `${jobTitle(job)}: ${endings[job.state]}`),
    h("span", { class: "state" }, [job.error, saved].filter(Boolean).join(" ")), h("span", {}),
    h("span", { class: "buttons" }, job.resumable && jobButton(job, "Resume", "resume"), dismissButton(job)));
}

function showJobs() {
  const strip = document.getElementById("jobs");
  const active = known.jobs.filter(isActive).reverse();
  // Of what was broken off, the newest job alone: older ones are in Runs.
  const broken = known.jobs.slice(0, 1).filter(isBroken);
  strip.hidden = active.length + broken.length === 0;
  keepingFocus(strip, () => replace(strip, active.map(activeRow), broken.map(brokenRow)));
}

const last = new Map();
function tellEnds() {
  for (const job of known.jobs) {
    if (last.has(job.id) && last.get(job.id) !== job.state && !isActive(job))
      announce(`${jobTitle(job)}: ${endings[job.state] || "done"}${job.error ? `. ${job.error}` : ""}`);
    last.set(job.id, job.state);
  }
}

export function showJobsStrip() {
  watch("jobs", () => {
    showJobs();
    tellEnds();
  });
  showJobs();
}
