// The roofline: what the machine allows at each intensity, and where the layers of a model stand.
// Williams, Waterman and Patterson, 2009.
import { words } from "./chart_figure.js";
import { count, fixed, percent, rate, seconds, significant } from "./format.js";
import { pointChart } from "./chart_points.js";

// Flat roofs of arithmetic over slanted ones of bandwidth. `peaks`: [{name, rate}] in operations a
// second, `bandwidths`: [{name, rate}] in bytes a second.
function roofs({ peaks, bandwidths }, low, high) {
  const top = Math.max(...peaks.map((peak) => peak.rate));
  const steepest = Math.max(...bandwidths.map((band) => band.rate));
  const flat = peaks.map((peak, i) => ({
    name: peak.name, colour: i + 1, label: true,
    points: [[Math.max(low, peak.rate / steepest), peak.rate], [high, peak.rate]],
  }));
  const slanted = bandwidths.map((band, i) => ({
    name: band.name, colour: 4 + (i % 4), dashed: true,
    points: [[low, band.rate * low], [Math.min(high, top / band.rate), Math.min(top, band.rate * high)]],
  }));
  return [...flat, ...slanted];
}

function pointOf(step, runs) {
  const speed = step.flops / step.seconds, intensity = step.flops / step.bytes;
  return {
    name: [step.layer, step.operation].filter(Boolean).join(" "), x: intensity, y: speed,
    lines: [
      `${rate(speed)} at ${significant(intensity)} operations a byte`,
      `${percent(step.of_roof, 0)} of its roof, bound by ${step.bound}`,
      `${seconds(step.seconds / runs)} a run, ${percent(step.share, 1)} of the time`,
    ],
  };
}

// Columns and rows of the table of layers, which the picture has as its numbers too.
export const layerColumns = [
  ...words("Layer", "Operation", "Arithmetic"), "ms a run", "Share", "Gop/s", "op/byte", "Of roof",
  ...words("Bound by", "Kernel"),
];

export function layerRows({ steps, runs }) {
  return steps.map((step) => [
    step.layer, step.operation, step.arithmetic,
    fixed((1e3 * step.seconds) / runs, 4), percent(step.share, 1),
    fixed((1e-9 * step.flops) / step.seconds, 1),
    step.bytes ? significant(step.flops / step.bytes) : "–",
    step.roof ? percent(step.of_roof, 0) : "–", step.bound, step.row,
  ]);
}

function roofRows({ peaks, bandwidths }) {
  return [
    ...peaks.map((peak) => [peak.name, rate(peak.rate)]),
    ...bandwidths.map((band) => [band.name, `${count(1e-9 * band.rate)} GB/s`]),
  ];
}

// The layers in one arithmetic, in the colour of its roof.
function layersIn(kind, steps, { peaks }, runs) {
  return {
    name: `Layers in ${kind}`, colour: 1 + Math.max(0, peaks.findIndex((peak) => peak.arithmetic === kind)),
    points: steps.filter((step) => step.arithmetic === kind).map((step) => pointOf(step, runs)),
  };
}

// The ceilings alone, or with the layers of `profile` under them.
export function rooflineChart(ceilings, profile) {
  const steps = (profile ? profile.steps : []).filter((step) => step.flops > 0 && step.bytes > 0 && step.seconds > 0);
  const intensities = steps.map((step) => step.flops / step.bytes);
  const top = Math.max(...ceilings.peaks.map((peak) => peak.rate));
  const ridge = top / Math.min(...ceilings.bandwidths.map((band) => band.rate));
  const low = Math.min(0.25, ...intensities) / 1.5, high = Math.max(2 * ridge, ...intensities) * 1.5;
  const kinds = [...new Set(steps.map((step) => step.arithmetic))];
  return pointChart({
    title: profile ? `${profile.model} in ${profile.dtype} under this machine's roofs` : "This machine's roofs",
    note: (profile ? "Each point is a layer: as high as it was fast. " : "") +
      "A slanted roof is memory's, a flat one arithmetic's; no layer can pass them.",
    height: 400,
    x: { label: "Operations per byte moved (logarithmic)", log: true, from: low, to: high },
    y: { label: "Operations a second (logarithmic)", log: true },
    groups: kinds.map((kind) => layersIn(kind, steps, ceilings, profile.runs)),
    lines: roofs(ceilings, low, high),
    columns: profile ? layerColumns : [...words("Roof"), "At most"],
    rows: () => (profile ? layerRows(profile) : roofRows(ceilings)),
  });
}
