// Continual: one task after the other; what is still known of the earlier ones, and what it takes.
import { h } from "./dom.js";
import { bytes, clock, count, fixed, percent, significant, times } from "./format.js";
import { table } from "./chart_figure.js";
import { heatMap } from "./chart_heat.js";
import { lineChart } from "./chart_lines.js";
import { jobCard } from "./job_card.js";
import { formTab, liveRun, verbForm } from "./job_tab.js";
import { smoothed } from "./live_metrics.js";
import { emptyNote, tile } from "./notes.js";
import { go } from "./tabs.js";

// Row 0 is before any task. What a task was worth before it was learned is no accuracy of learning.
function matrixMap(accuracy, tasks) {
  return heatMap({
    title: "Accuracy on each task", corner: "After",
    note: "In percent of the task's test images, after each task. Down a column: how a task is forgotten.",
    columns: tasks,
    rows: accuracy.slice(1).map((row, i) => ({ name: `task ${i + 1}`, values: row.map((share, task) => (task <= i ? share : null)) })),
    show: (share) => fixed(100 * share, 1),
  });
}

const overTasks = (values) => values.map((value, i) => [i + 1, value]);

function taskChart(title, series, show, y) {
  return h("section", { class: "card" }, lineChart({ title, x: { label: "Tasks learned", whole: true }, y, show, series: series.map((each) => ({ dots: true, ...each })) }));
}

function knowledgeChart(over) {
  return taskChart("Accuracy and forgetting", [
    { name: "Average accuracy (%)", points: overTasks(over.map((m) => 100 * m.average_accuracy)) },
    { name: "Forgetting (points)", points: overTasks(over.map((m) => 100 * m.forgetting)) },
  ], (value) => fixed(value, 2), { label: "Percent" });
}

function costCharts(over) {
  const kilobytes = (field) => overTasks(over.map((m) => 1e-3 * m.ledger[field]));
  return [
    taskChart("What is kept", [
      { name: "Replay memory (kB)", points: kilobytes("memory_bytes") },
      { name: "Network (kB)", points: kilobytes("model_bytes") },
    ], significant, { label: "kB", from: 0 }),
    taskChart("Time spent", [{ name: "Seconds", points: overTasks(over.map((m) => m.ledger.seconds)), colour: 3 }], significant, { label: "Seconds", from: 0 }),
  ];
}

function efficiencyCharts(efficiency) {
  const { tasks } = efficiency;
  const speeds = tasks.every((task) => task.speeds?.length)
    && tasks[0].speeds.map(({ batch }, i) => ({ name: `Batch of ${batch}`, points: overTasks(tasks.map((task) => task.speeds[i].times_as_fast)) }));
  return [
    taskChart("Size of the compressed network", [{ name: "kB", points: overTasks(tasks.map((task) => 1e-3 * task.file_bytes)) }], significant, { label: "kB", from: 0 }),
    speeds && taskChart("Times as fast as the network in fp32", speeds, (value) => fixed(value, 2), { label: "Times as fast", from: 0 }),
  ];
}

function efficiencyTable(efficiency) {
  return h("section", { class: "card" }, h("h3", {}, "The compressed network after each task"),
    table(["Task", { name: "Form", text: true }, "Size", "Parameters", "Speed-up", "Accuracy"], efficiency.tasks.map((task) => [
      task.task + 1, task.dtype, bytes(task.file_bytes), count(task.parameters), task.speeds?.length ? times(task.speeds[0].times_as_fast) : "–",
      task.accuracy?.length ? percent(task.accuracy.reduce((sum, share) => sum + share, 0) / task.accuracy.length) : "–",
    ])));
}

function summaryTiles(report) {
  return h("dl", { class: "results" },
    tile("Average accuracy", percent(report.average_accuracy), `of ${report.tasks.length} tasks, after the last one`, "first"),
    tile("Forgetting", fixed(100 * report.forgetting, 2), "points since each task was known best"),
    tile("Backward transfer", fixed(100 * report.backward_transfer, 2), "points that later tasks gave to earlier ones"),
    report.memory && tile("Memory", bytes(report.memory.bytes), `${count(report.memory.samples)} samples`),
    tile("Time", clock(report.ledger.seconds), `${count(report.ledger.rows)} rows seen`));
}

function drawReport(run) {
  const { report } = run.results;
  const broken = run.job && run.state !== "done" && jobCard(run.job);
  if (!report) return broken || emptyNote("This run has no report yet");
  return h("div", { class: "stack" }, broken, summaryTiles(report),
    h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: () => go("runs", run.id) }, "Open the report")),
    h("section", { class: "card" }, matrixMap(report.accuracy, report.tasks)),
    h("div", { class: "panels" }, report.over_tasks && knowledgeChart(report.over_tasks), report.efficiency && efficiencyCharts(report.efficiency),
      report.over_tasks && costCharts(report.over_tasks)),
    report.efficiency && efficiencyTable(report.efficiency));
}

// What the lines of metrics.jsonl tell while tasks are being learned.
function liveCharts(lines) {
  const steps = lines.filter((line) => "loss" in line), tasks = lines.filter((line) => "accuracy" in line);
  if (!steps.length) return h("p", { class: "hint" }, "The first steps will show here.");
  const learned = tasks.filter((line) => line.task >= 0);
  const width = tasks.length ? tasks[0].accuracy.length : 0;
  return h("div", { class: "stack" },
    learned.length > 0 && h("section", { class: "card" }, matrixMap(
      [[], ...learned.map((line) => line.accuracy)], Array.from({ length: width }, (_, i) => `task ${i + 1}`))),
    h("section", { class: "card" }, lineChart({
      title: "Loss", x: { label: "Step" }, y: { label: "Loss (nats)" },
      series: [{ name: "Loss, running mean", points: smoothed(steps.map((line) => [line.step, line.loss])) }],
    })));
}

function build(panel) {
  formTab(panel, {
    verb: "learn", title: "Continual",
    lead: "Learn one task after the other, as a network in the field must, and see how much of the earlier ones is forgotten.",
    form: (onstarted) => verbForm("learn", { button: "Learn", label: "Learn task after task", onstarted }),
    invitation: () => emptyNote("What is remembered will stand here", "A matrix of accuracy, task by task, and what memory and time it took.",
      "Press Learn: the network mlp learns five tasks with a small replay memory in about a minute."),
    draw: drawReport,
    live: liveRun(liveCharts),
  });
}

export const continualTab = { id: "continual", title: "Continual", build };
