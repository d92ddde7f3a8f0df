// A place in a tab that shows one run: its job while that is active, then what came of it. It follows
// the server's events, and a reload in the middle of a job finds the job again.
import { h, keepingFocus, replace } from "./dom.js";
import { jobCard } from "./job_card.js";
import { fetchRun } from "./run_data.js";
import { isActive, known, watch } from "./store.js";

// `invitation()` stands where no run is chosen, `draw(run)` makes what a finished one gave, and
// `live(job)` what an active one shows; null leaves what it has drawn alone.
export function runView(place, { invitation, draw, live = jobCard }) {
  let shown = "", asked = 0, seen = "";
  const jobOfShown = () => known.jobs.find(({ run }) => run === shown);
  const fingerprint = (job) => (job ? `${job.id} ${job.state} ${job.ended}` : "");

  async function load() {
    const mine = ++asked;
    try {
      const run = await fetchRun(shown);
      if (mine === asked) put(draw(run));
    } catch (error) {
      if (mine !== asked) return;
      const job = jobOfShown();  // one that was taken back before it began has no folder
      put(job ? jobCard(job) : h("p", { class: "complaint", role: "alert" }, error.message));
    }
  }

  function put(element) {
    if (element !== null) keepingFocus(place, () => replace(place, element));
  }

  function update() {
    const job = jobOfShown();
    seen = fingerprint(job);
    if (!shown) put(invitation());
    else if (job && isActive(job)) put(live(job));
    else load();
  }

  watch("jobs", () => {
    const job = jobOfShown();
    if (job && (isActive(job) || fingerprint(job) !== seen)) update();
  });
  watch("runs", () => {
    if (!shown) update();
  });
  return {
    show(id) {
      if (id === shown && seen) return;
      shown = id;
      update();
    },
    get shown() { return shown; },
  };
}
