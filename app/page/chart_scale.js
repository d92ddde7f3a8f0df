// Axes: from values to pixels, and where the ticks stand.

// Round steps of 1, 2 or 5 times a power of ten, about `wanted` of them.
function linearTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) || 10);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high, wanted) {
  const decades = Math.log10(high / low);
  if (decades < 1) return linearTicks(low, high, wanted);
  const digits = 2 * decades > wanted ? [1] : [1, 3];
  const stride = Math.max(1, Math.ceil(decades / wanted));
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); ++e)
    for (const digit of digits) {
      const value = digit * 10 ** e;
      const kept = digit > 1 || e % stride === 0;
      if (kept && value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  return ticks;
}

function padded(values, { log, from, to, whole }) {
  let low = Math.min(...values), high = Math.max(...values);
  if (!Number.isFinite(low)) [low, high] = log ? [1, 10] : [0, 1];
  if (log) {
    const room = Math.max(1.15, (high / low) ** 0.06);
    [low, high] = [low / room, high * room];
  } else {
    const room = whole ? 0 : (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    [low, high] = [low - room, high + room];
    if (whole && low === high) high = low + 1;
  }
  return [from ?? low, to ?? high];
}

// `axis`: {label, log, from, to, whole, format}. Places `values` on pixels from `begin` to `end`.
export function makeScale(axis, values, begin, end, wanted) {
  const [low, high] = padded(values, axis);
  const bend = axis.log ? Math.log : (value) => value;
  const span = bend(high) - bend(low) || 1;
  const scale = (value) => begin + ((bend(value) - bend(low)) / span) * (end - begin);
  const ticks = (axis.log ? logTicks : linearTicks)(low, high, wanted);
  scale.ticks = axis.whole ? ticks.filter(Number.isInteger) : ticks;
  scale.low = low;
  scale.high = high;
  scale.back = (pixel) => {
    const bent = bend(low) + ((pixel - begin) / (end - begin)) * span;
    return axis.log ? Math.exp(bent) : bent;
  };
  return scale;
}

// The shortest text that tells neighbouring ticks apart.
export function tickText(value, ticks) {
  const size = Math.max(...ticks.map(Math.abs));
  if (value !== 0 && (size >= 1e5 || Math.abs(value) < 1e-3)) return shortPower(value);
  const gap = ticks.length > 1 ? Math.min(...ticks.slice(1).map((t, i) => t - ticks[i])) : size;
  const digits = Math.max(0, Math.min(4, -Math.floor(Math.log10(gap || 1) + 1e-9)));
  return Number(value.toFixed(digits)).toLocaleString("en", { maximumFractionDigits: 4 });
}

function shortPower(value) {
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= unit) return `${Number((value / unit).toPrecision(3))} ${letter}`;
  return value.toExponential(0);
}
