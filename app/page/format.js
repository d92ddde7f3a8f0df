// Numbers as a person reads them. The units are those of the command's own reports: kB and MB are
// powers of ten.

const english = (digits) =>
  new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const fixedFormats = [0, 1, 2, 3, 4].map(english);

export function fixed(value, digits) {
  return fixedFormats[digits].format(value).replace("-", "−");
}

export const count = (value) => fixed(value, 0);

// Three digits that count: 0.0612, 61.2, 612, 6,120.
export function significant(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude >= 2) return count(value);
  if (magnitude >= -2) return fixed(value, 2 - magnitude);
  return value.toExponential(2);
}

// Of numbers that may count something, such as steps: 1 rather than 1.00.
export const plain = (value) => (Number.isInteger(value) ? count(value) : significant(value));

function scaled(value, units) {
  const step = units.find(([size]) => Math.abs(value) >= size) || units[units.length - 1];
  return `${significant(value / step[0])} ${step[1]}`;
}

export const bytes = (value) => scaled(value, [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "bytes"]]);
export const rate = (value) => scaled(value, [[1e12, "Top/s"], [1e9, "Gop/s"], [1e6, "Mop/s"], [1, "op/s"]]);

export function seconds(value) {
  if (value >= 1) return `${significant(value)} s`;
  if (value >= 1e-3) return `${significant(1e3 * value)} ms`;
  return `${significant(1e6 * value)} µs`;
}

export const milliseconds = (value) => `${fixed(1e3 * value, 3)} ms`;
export const percent = (share, digits = 2) => `${fixed(100 * share, digits)} %`;
export const times = (ratio) => `${fixed(ratio, 2)}×`;

// "45 s", "1:20", "1:02:03".
export function clock(value) {
  const whole = Math.round(value);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)}`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

// A moment as the reader's own clock has it; nothing where there is none.
export function moment(when) {
  const date = typeof when === "number" ? new Date(1000 * when) : new Date(when);
  if (!when || Number.isNaN(date.getTime())) return "";
  return date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
