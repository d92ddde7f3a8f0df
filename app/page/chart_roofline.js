// The roofline: what the machine allows at each intensity, and where the layers of a model stand.
// Williams, Waterman and Patterson, 2009.
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
  const name = [step.layer, step.operation].filter(Boolean).join(" ");
  return {
    name, x: step.flops / step.bytes, y: step.flops / step.seconds,
    lines: [`${rate(step.flops / step.seconds)} at ${significant(step.flops / step.bytes)} operations a byte`,
      `${percent(step.of_roof, 0)} of its roof, bound by ${step.bound}`, `${seconds(step.seconds / runs)} a run, ${percent(step.share, 1)} of the time`],
  };
}

// Columns and rows of the table of layers, which the picture has as its numbers too.
export const layerColumns = [{ name: "Layer", text: true }, { name: "Operation", text: true }, { name: "Arithmetic", text: true },
  "ms a run", "Share", "Gop/s", "op/byte", "Of roof", { name: "Bound by", text: true }, { name: "Kernel", text: true }];

export function layerRows({ steps, runs }) {
  return steps.map((s) => [s.layer, s.operation, s.arithmetic, fixed((1e3 * s.seconds) / runs, 4), percent(s.share, 1),
    fixed((1e-9 * s.flops) / s.seconds, 1), s.bytes ? significant(s.flops / s.bytes) : "–", s.roof ? percent(s.of_roof, 0) : "–", s.bound, s.row]);
}

// The ceilings alone, or with the layers of `profile` under them.
export function rooflineChart(ceilings, profile) {
  const steps = profile ? profile.steps.filter((s) => s.flops > 0 && s.bytes > 0 && s.seconds > 0) : [];
  const intensities = steps.map((s) => s.flops / s.bytes);
  const ridge = Math.max(...ceilings.peaks.map((p) => p.rate)) / Math.min(...ceilings.bandwidths.map((b) => b.rate));
  const low = Math.min(0.25, ...intensities) / 1.5, high = Math.max(2 * ridge, ...intensities) * 1.5;
  const kinds = [...new Set(steps.map((s) => s.arithmetic))];
  return pointChart({
    title: profile ? `${profile.model} in ${profile.dtype} under this machine's roofs` : "This machine's roofs",
    note: "Each point is a layer: as high as it was fast. A slanted roof is memory's, a flat one arithmetic's; no layer can pass them.",
    height: 400,
    x: { label: "Operations per byte moved (logarithmic)", log: true, from: low, to: high },
    y: { label: "Operations a second (logarithmic)", log: true },
    groups: kinds.map((kind) => ({
      name: `Layers in ${kind}`, colour: 1 + Math.max(0, ceilings.peaks.findIndex((p) => p.arithmetic === kind)),
      points: steps.filter((s) => s.arithmetic === kind).map((s) => pointOf(s, profile.runs)),
    })),
    lines: roofs(ceilings, low, high),
    columns: profile ? layerColumns : [{ name: "Roof", text: true }, "At most"],
    rows: () => profile ? layerRows(profile) : [...ceilings.peaks.map((p) => [p.name, rate(p.rate)]),
      ...ceilings.bandwidths.map((b) => [b.name, `${count(1e-9 * b.rate)} GB/s`])],
  });
}
