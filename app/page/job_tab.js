// What the tabs that start jobs have in common: a form on one side, on the other a run with its job.
import { h, keepingFocus, replace } from "./dom.js";
import { redrawing } from "./chart_figure.js";
import { complaint, field } from "./form.js";
import { jobCard } from "./job_card.js";
import { start } from "./jobs.js";
import { liveMetrics } from "./live_metrics.js";
import { runSelect } from "./run_data.js";
import { runView } from "./run_view.js";
import { settingsForm, showRefusal } from "./settings_form.js";

// The card of a job above charts that grow; `charts(lines)` draws them.
export function liveRun(charts) {
  const card = h("div"), pictures = h("div");
  const frame = h("div", { class: "stack" }, card, pictures);
  const metrics = liveMetrics((lines) => redrawing(pictures, () => replace(pictures, charts(lines))));
  return (job) => {
    metrics.follow(job.state === "queued" ? "" : job.run);  // one that waits has no folder yet
    keepingFocus(card, () => replace(card, jobCard(job)));
    return frame.isConnected ? null : frame;
  };
}

// A form whose button starts a job: `asked()` gives its verb and arguments.
export function startForm({ label, content, button, asked, onstarted }) {
  const wrong = complaint();
  async function submit(event) {
    event.preventDefault();
    wrong.textContent = "";
    button.disabled = true;
    try {
      onstarted(await start(...asked()));
    } catch (error) {
      showRefusal(form, wrong, error);
    }
    button.disabled = false;
  }
  const form = h("form", { class: "card", onsubmit: submit, "aria-label": label }, content, button, wrong);
  return form;
}

// A form of all settings of a verb.
export function verbForm(verb, { button, label, onstarted, kind = "primary wide" }) {
  const { rows, more, values } = settingsForm(verb);
  return startForm({
    label, onstarted, content: [rows, more], button: h("button", { class: kind }, button),
    asked: () => [verb, values()],
  });
}

// A tab with a form beside what came of its runs.
export function formTab(panel, { verb, title, lead, form, invitation, draw, live, accept = (run) => run.verb === verb }) {
  const place = h("div", { class: "stack", id: `${verb}-results` });
  const view = runView(place, { invitation, draw, live });
  const runs = runSelect("run", accept, (id) => view.show(id));
  const show = (id) => {
    runs.choose(id);
    view.show(id);
  };
  replace(panel, h("h2", {}, title), h("p", { class: "lead" }, lead),
    h("div", { class: "sides" }, form((job) => show(job.run)),
      h("div", { class: "stack" }, field("Run", runs.element), place)));
  view.show(runs.current(verb));
}
