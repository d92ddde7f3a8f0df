// A matrix as a heat map: the tiles are the table itself, so that what is seen is what is read aloud.
import { h } from "./dom.js";
import { scrolling } from "./chart_figure.js";

const steps = 10;  // tones in the style sheet, each with a colour of text that can be read on it

// The square spreads the shares that matter, near 1, over more tones.
const tone = (share) => Math.min(steps - 1, Math.floor(steps * share * share));

// `rows`: [{name, values}], a value null where there is none, else from 0, the faintest tone, to 1.
export function heatMap({ title, note, corner, columns, rows, show }) {
  const tile = (value) => value === null || value === undefined
    ? h("td", { class: "tile none" }, "")
    : h("td", { class: `tile tone-${tone(value)}` }, show(value));
  return h("figure", { class: "chart heat" },
    h("figcaption", {}, h("span", { class: "title" }, title), note && h("span", { class: "hint" }, note)),
    scrolling(title, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, corner),
        columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map(({ name, values }) =>
        h("tr", {}, h("th", { scope: "row" }, name), values.map(tile)))))));
}
