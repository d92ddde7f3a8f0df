// Small pieces that several tabs show.
import { h } from "./dom.js";

// What stands where nothing has been made yet, and what to do first.
export const emptyNote = (title, ...text) =>
  h("div", { class: "empty" }, h("h3", {}, title), text.map((each) => h("p", {}, each)));

// One figure of a list of results.
export function tile(name, value, detail, kind = "") {
  return h("div", { class: `result ${kind}` }, h("dt", {}, name), h("dd", {}, value),
    detail && h("dd", { class: "detail" }, detail));
}
