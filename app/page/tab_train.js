// Train: choose a model and its settings; loss, accuracy and speed as they come; stop and resume.
import { clock, count, fixed, percent, significant } from "./format.js";
import { jobCard } from "./job_card.js";
import { formTab, liveRun, verbForm } from "./job_tab.js";
import { smoothed } from "./live_metrics.js";
import { lineChart } from "./chart_lines.js";
import { button, card, emptyNote, hint, panels, row, stack, tile, tiles } from "./notes.js";
import { go } from "./tabs.js";

function lossChart(steps, epochs) {
  const loss = steps.map((line) => [line.step, line.loss]);
  const validation = epochs.map((line) => [line.step, line.validation_loss]);
  return lineChart({
    title: "Loss", x: { label: "Step" }, y: { label: "Cross-entropy (nats)" },
    series: [
      { name: "Training, each step", points: loss, faint: true, colour: 1 },
      { name: "Training, running mean", points: smoothed(loss), colour: 1 },
      ...(validation.length ? [{ name: "Validation", points: validation, dots: true, colour: 2 }] : []),
    ],
  });
}

function accuracyChart(epochs) {
  const points = epochs.map((line) => [line.epoch + 1, 100 * line.validation_accuracy]);
  return lineChart({
    title: "Accuracy on images held out of training", x: { label: "Epoch", whole: true }, y: { label: "Accuracy (%)" },
    series: [{ name: "Validation accuracy (%)", points, dots: true, colour: 3 }],
    show: (value) => fixed(value, 2),
  });
}

function speedChart(steps) {
  const points = smoothed(steps.map((line) => [line.step, line.images_per_second]));
  return lineChart({
    title: "Speed", x: { label: "Step" }, y: { label: "Images per second", from: 0 },
    series: [{ name: "Images per second", points, colour: 4 }], show: count,
  });
}

// Loss, accuracy and images a second from lines of metrics.jsonl.
function trainingCharts(lines) {
  const steps = lines.filter((line) => "loss" in line);
  const epochs = lines.filter((line) => "validation_accuracy" in line);
  if (!steps.length) return hint("The first steps will show here.");
  return panels(card(lossChart(steps, epochs)), epochs.length > 0 && card(accuracyChart(epochs)),
    card(speedChart(steps)));
}

function summaryTiles({ summary }) {
  const { validation_accuracy: share, validation_loss: loss, images_per_second: speed, steps, epochs } = summary;
  return tiles(
    share !== undefined && tile("Best accuracy", percent(share), "on images held out of training", "first"),
    loss !== undefined && tile("Loss", significant(loss), "cross-entropy on the same images"),
    tile("Epochs", `${summary.epochs_done ?? 0} of ${epochs ?? "?"}`, steps !== undefined && `${count(steps)} steps`),
    speed !== undefined && tile("Images per second", count(speed), "median of the steps"),
    summary.seconds !== undefined && tile("Time", clock(summary.seconds)));
}

function finished(run) {
  const best = run.models.find((id) => id.includes("best")) || run.models[0];
  return stack(
    run.job && run.state !== "done" && jobCard(run.job), summaryTiles(run),
    row(
      best && button("Compress this model", () => go("compress", best)),
      best && button("Try it", () => go("try", best)),
      run.has_report && button("Open the report", () => go("runs", run.id))),
    trainingCharts(run.metrics));
}

function build(panel) {
  formTab(panel, {
    verb: "train", title: "Train",
    lead: "Teach a Vision Transformer to name pieces of clothing. A training can be stopped at any time and goes on " +
      "where it was.",
    form: (onstarted) => verbForm("train", { button: "Train", label: "Train a model", onstarted }),
    invitation: () => emptyNote("Curves will grow here", "Loss, accuracy and images per second, step by step.",
      "Press Train to begin: vit-tiny takes a minute or two."),
    draw: finished,
    live: liveRun(trainingCharts),
  });
}

export const trainTab = { id: "train", title: "Train", build };
