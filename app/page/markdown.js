// Markdown as our reports use it: headings, paragraphs, lists, quotes, tables, code, bold, links, pictures.
// It makes elements and text nodes, never markup, and links and shows only what `address` allows.
import { h } from "./dom.js";
import { table } from "./chart_figure.js";

const inline = /`([^`]+)`|\*\*([^*]+)\*\*|!\[([^\]]*)\]\(([^)\s]+)\)|\[([^\]]+)\]\(([^)\s]+)\)|\*([^*\s][^*]*)\*/g;

function spans(text, address) {
  const out = [];
  let end = 0;
  for (const found of text.matchAll(inline)) {
    out.push(text.slice(end, found.index), spanOf(found, address));
    end = found.index + found[0].length;
  }
  return [...out, text.slice(end)];
}

function spanOf([whole, code, bold, alt, source, words, target, slanted], address) {
  if (code) return h("code", {}, code);
  if (bold) return h("strong", {}, spans(bold, address));
  if (slanted) return h("em", {}, spans(slanted, address));
  const where = address(source || target);
  if (!where) return words || alt || whole;
  return source ? h("img", { src: where, alt, loading: "lazy" }) : h("a", { href: where }, words);
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function quote(lines, at, address) {
  const taken = run(lines, at, /^>/);
  const inner = markdown(taken.map((line) => line.replace(/^> ?/, "")).join("\n"), address);
  return [h("blockquote", {}, [...inner.childNodes]), taken.length];
}

// What a block begins with, and how many lines it takes from `at`.
const blocks = [
  { begins: /^```/, make(lines, at) {
    const end = lines.findIndex((line, i) => i > at && line.startsWith("```"));
    const stop = end < 0 ? lines.length : end;
    return [h("pre", {}, h("code", {}, lines.slice(at + 1, stop).join("\n"))), stop - at + 1];
  } },
  { begins: /^#{1,6} /, make(lines, at, address) {
    const [, marks, text] = /^(#+) +(.*)$/.exec(lines[at]);
    return [h(`h${Math.min(6, marks.length + 2)}`, {}, spans(text, address)), 1];
  } },
  { begins: /^\|/, make(lines, at, address) {
    const taken = run(lines, at, /^\|/);
    const [head, , ...rows] = taken.map(cells);
    const wordy = (i) => rows.some((row) => /[a-z]{4}/i.test(row[i] || ""));
    const columns = head.map((name, i) => ({ name, text: i === 0 || wordy(i) }));
    return [table(columns, rows.map((row) => row.map((cell) => h("span", {}, spans(cell, address))))), taken.length];
  } },
  { begins: /^>/, make: quote },
  { begins: /^([-*]|\d+\.) /, make(lines, at, address) {
    const numbered = /^\d/.test(lines[at]);
    const taken = run(lines, at, /^(([-*]|\d+\.) |\s+\S)/);
    const items = taken.join("\n").split(/^(?:[-*]|\d+\.) /m).slice(1);
    return [h(numbered ? "ol" : "ul", {}, items.map((item) => h("li", {}, spans(item.trim(), address)))), taken.length];
  } },
];

function run(lines, at, pattern) {
  let end = at;
  while (end < lines.length && pattern.test(lines[end])) ++end;
  return lines.slice(at, end);
}

const beginsBlock = (line) => blocks.some(({ begins }) => begins.test(line));

function paragraph(lines, at, address) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() !== "" && !beginsBlock(lines[end])) ++end;
  return [h("p", {}, spans(lines.slice(at, end).join(" "), address)), end - at];
}

// `address` turns what a link or a picture names into an address; null leaves the words alone.
export function markdown(text, address = () => null) {
  const lines = text.replace(/\r/g, "").split("\n");
  const out = h("div", { class: "prose" });
  for (let at = 0; at < lines.length;) {
    if (lines[at].trim() === "") {
      ++at;
      continue;
    }
    const block = blocks.find(({ begins }) => begins.test(lines[at]));
    const [element, taken] = block ? block.make(lines, at, address) : paragraph(lines, at, address);
    out.append(element);
    at += taken;
  }
  return out;
}
