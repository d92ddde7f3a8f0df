// The lines of a run's metrics.jsonl as they come: those that it has, then what the events bring.
import { fetchRun } from "./run_data.js";
import { watch } from "./store.js";

const redrawMilliseconds = 700;

// `onchange(lines)` is called now and then while lines come.
export function liveMetrics(onchange) {
  let run = "", lines = [], have = 0, timer = null;
  const draw = () => {
    timer = null;
    onchange(lines);
  };
  const drawSoon = () => { timer = timer ?? setTimeout(draw, redrawMilliseconds); };

  async function load() {
    const asked = run;
    const fetched = await fetchRun(asked).catch(() => null);  // the next event asks again
    if (!fetched || asked !== run) return;
    lines = fetched.metrics;
    have = fetched.metrics_lines;
    drawSoon();
  }

  watch("metrics", (event) => {
    if (event.run !== run) return;
    // A gap, or a run that was taken up again and writes some steps a second time.
    if (event.from !== have) return void load();
    lines.push(...event.lines);
    have += event.lines.length;
    drawSoon();
  });
  watch("connected", (connected) => {
    if (connected && run) load();
  });
  return {
    follow(id) {
      if (id === run) return;
      run = id;
      lines = [];
      have = 0;
      onchange(lines);
      if (run) load();
    },
  };
}

// A running mean over about a fiftieth of the run, which the eye can follow.
export function smoothed(points) {
  const keep = 1 - 1 / Math.max(1, points.length / 50);
  let mean = 0, weight = 0;
  return points.map(([x, y]) => {
    mean = keep * mean + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return [x, mean / weight];
  });
}
