// Small pieces that several tabs show.
import { h, replace } from "./dom.js";

// What stands where nothing has been made yet, and what to do first.
export const emptyNote = (title, ...text) =>
  h("div", { class: "empty" }, h("h3", {}, title), text.map((each) => h("p", {}, each)));

export const hint = (...text) => h("p", { class: "hint" }, text);
export const wrong = (error) => h("p", { class: "complaint", role: "alert" }, error.message);
export const stack = (...parts) => h("div", { class: "stack" }, parts);
export const row = (...parts) => h("div", { class: "row" }, parts);
export const panels = (...parts) => h("div", { class: "panels" }, parts);
export const card = (...parts) => h("section", { class: "card" }, parts);
export const titled = (title, ...parts) => card(h("h3", {}, title), parts);
export const more = (title, ...parts) => h("details", {}, h("summary", {}, title), stack(parts));
export const button = (text, onclick, kind = "quiet") => h("button", { type: "button", class: kind, onclick }, text);

// What a tab begins with, and the rest of it.
export function tabPage(panel, title, lead, ...rest) {
  replace(panel, h("h2", {}, title), h("p", { class: "lead" }, lead), rest);
}

// One figure of a list of results.
export function tile(name, value, detail, kind = "") {
  return h("div", { class: `result ${kind}` }, h("dt", {}, name), h("dd", {}, value),
    detail && h("dd", { class: "detail" }, detail));
}

export const tiles = (...parts) => h("dl", { class: "results" }, parts);

// What is there of `parts`, in one line.
export const joined = (parts, between = " · ") => parts.filter(Boolean).join(between);

export const threadsText = (count) => `${count} thread${count === 1 ? "" : "s"}`;
