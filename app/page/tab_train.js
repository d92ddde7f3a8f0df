// Train: choose a model and its settings; loss, accuracy and speed as they come; stop and resume.
import { h } from "./dom.js";
import { clock, count, fixed, percent, significant } from "./format.js";
import { jobCard } from "./job_card.js";
import { formTab, liveRun, verbForm } from "./job_tab.js";
import { smoothed } from "./live_metrics.js";
import { lineChart } from "./chart_lines.js";
import { emptyNote, tile } from "./notes.js";
import { go } from "./tabs.js";

// Loss, accuracy and images a second from lines of metrics.jsonl.
function trainingCharts(lines) {
  const steps = lines.filter((line) => "loss" in line), epochs = lines.filter((line) => "validation_accuracy" in line);
  if (!steps.length) return h("p", { class: "hint" }, "The first steps will show here.");
  const loss = steps.map((line) => [line.step, line.loss]);
  const series = [
    { name: "Training, each step", points: loss, faint: true, colour: 1 },
    { name: "Training, running mean", points: smoothed(loss), colour: 1 },
  ];
  if (epochs.length)
    series.push({ name: "Validation", points: epochs.map((line) => [line.step, line.validation_loss]), dots: true, colour: 2 });
  return h("div", { class: "panels" },
    h("section", { class: "card" }, lineChart({ title: "Loss", x: { label: "Step" }, y: { label: "Cross-entropy (nats)" }, series })),
    epochs.length > 0 && h("section", { class: "card" }, lineChart({
      title: "Accuracy on images held out of training", x: { label: "Epoch", whole: true }, y: { label: "Accuracy (%)" },
      series: [{ name: "Validation accuracy (%)", points: epochs.map((line) => [line.epoch + 1, 100 * line.validation_accuracy]), dots: true, colour: 3 }],
      show: (value) => fixed(value, 2),
    })),
    h("section", { class: "card" }, lineChart({
      title: "Speed", x: { label: "Step" }, y: { label: "Images per second", from: 0 },
      series: [{ name: "Images per second", points: smoothed(steps.map((line) => [line.step, line.images_per_second])), colour: 4 }],
      show: count,
    })));
}

function summaryTiles({ summary }) {
  const share = summary.validation_accuracy, loss = summary.validation_loss;
  return h("dl", { class: "results" },
    share !== undefined && tile("Best accuracy", percent(share), "on images held out of training", "first"),
    loss !== undefined && tile("Loss", significant(loss), "cross-entropy on the same images"),
    tile("Epochs", `${summary.epochs_done ?? 0} of ${summary.epochs ?? "?"}`, summary.steps !== undefined && `${count(summary.steps)} steps`),
    summary.images_per_second !== undefined && tile("Images per second", count(summary.images_per_second), "median of the steps"),
    summary.seconds !== undefined && tile("Time", clock(summary.seconds)));
}

function finished(run) {
  const best = run.models.find((id) => id.includes("best")) || run.models[0];
  return h("div", { class: "stack" },
    run.job && run.state !== "done" && jobCard(run.job), summaryTiles(run),
    h("div", { class: "row" },
      best && h("button", { type: "button", class: "quiet", onclick: () => go("compress", best) }, "Compress this model"),
      best && h("button", { type: "button", class: "quiet", onclick: () => go("try", best) }, "Try it"),
      run.has_report && h("button", { type: "button", class: "quiet", onclick: () => go("runs", run.id) }, "Open the report")),
    trainingCharts(run.metrics));
}

function build(panel) {
  formTab(panel, {
    verb: "train", title: "Train",
    lead: "Teach a Vision Transformer to name pieces of clothing. A training can be stopped at any time and goes on where it was.",
    form: (onstarted) => verbForm("train", { button: "Train", label: "Train a model", onstarted }),
    invitation: () => emptyNote("Curves will grow here", "Loss, accuracy and images per second, step by step.",
      "Press Train to begin: vit-tiny takes a minute or two."),
    draw: finished,
    live: liveRun(trainingCharts),
  });
}

export const trainTab = { id: "train", title: "Train", build };
