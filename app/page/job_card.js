// A job as the tab that it belongs to shows it: what it does, how far it is, how long it will take.
import { h } from "./dom.js";
import { jobButton, jobTitle, progressBar, progressText, stopButton } from "./jobs.js";
import { isActive } from "./store.js";

export function jobCard(job, ...more) {
  if (!isActive(job)) return brokenCard(job);
  return h("section", { class: "card job-card", "data-state": job.state },
    h("div", { class: "job inside" }, h("strong", {}, jobTitle(job)), h("span", { class: "state" }, progressText(job)),
      job.state === "queued" ? h("span", {}) : progressBar(job), h("span", { class: "buttons" }, stopButton(job))),
    job.progress?.text && h("p", { class: "hint" }, job.progress.text), more);
}

const words = { failed: "This run failed.", cancelled: "This run was stopped." };

function brokenCard(job) {
  return h("div", { class: `empty job ${job.state}`, "data-state": job.state },
    h("h3", {}, words[job.state] || "This run ended without a result."),
    h("p", { class: "state" }, job.error || (job.started === null ? "It had not begun." : "What it had done is saved.")),
    job.resumable && h("p", {}, jobButton(job, "Resume", "resume")),
    job.resume_command && h("p", { class: "hint" }, "On the command line: ", h("code", {}, job.resume_command)));
}
