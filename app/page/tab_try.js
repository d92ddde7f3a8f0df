// Try it: one picture, several models side by side: what each takes it for, how long it took, and where
// it looked.
import { post } from "./api.js";
import { h, replace } from "./dom.js";
import { complaint, toggle } from "./form.js";
import { bytes, percent, seconds, times } from "./format.js";
import { emptyNote } from "./notes.js";
import { attentionOver, pictureOf } from "./picture.js";
import { pictureSource } from "./picture_source.js";
import { modelDetails } from "./settings_form.js";
import { known, modelById, watch } from "./store.js";

const mostModels = 4;  // that one request may name
const canPredict = (model) => model.kind === "file";

// A form of the newest compression and, in floats, the best model beside it.
function firstChoice(models) {
  const small = models.find((model) => !model.fp32);
  const beside = models.filter((model) => model.fp32 && (!small || model.run === small.run));
  const [whole] = beside.sort((a, b) => (b.accuracy ?? 0) - (a.accuracy ?? 0));
  return [whole, small].filter(Boolean);
}

// The checkboxes of models: {element, ids(), choose(ids)}.
function modelChecks(onchange) {
  const list = h("div", { class: "checks", role: "group", "aria-label": "Models to compare" });
  let chosen = new Set();
  function refresh() {
    const models = known.models.filter(canPredict);
    chosen = new Set([...chosen].filter((id) => models.some((model) => model.id === id)));
    if (!chosen.size) chosen = new Set(firstChoice(models).map(({ id }) => id));
    replace(list, models.map((model) => h("label", {},
      h("input", { type: "checkbox", value: model.id, checked: chosen.has(model.id), onchange: () => flip(model.id) }),
      h("span", {}, model.name, h("span", { class: "hint" }, modelDetails(model))))));
    limit();
  }
  function flip(id) {
    if (!chosen.delete(id)) chosen.add(id);
    limit();
    onchange();
  }
  function limit() {
    for (const box of list.querySelectorAll("input")) box.disabled = !box.checked && chosen.size >= mostModels;
  }
  function choose(ids) {
    const there = ids.filter((id) => modelById(id));
    if (there.length) chosen = new Set(there.slice(0, mostModels));
    refresh();
    onchange();
  }
  watch("models", refresh);
  refresh();
  // The largest first: the others are held against it.
  const ids = () => known.models.filter(({ id }) => chosen.has(id)).sort((a, b) => b.bytes - a.bytes).map(({ id }) => id);
  return { element: list, choose, ids };
}

function confidences(classes) {
  return h("ol", { class: "confidences", "aria-label": "Classes by confidence" }, classes.map(({ name, confidence }) => {
    const fill = h("i");
    fill.style.width = `${100 * confidence}%`;
    return h("li", {}, h("span", {}, name), h("span", { class: "bar", "aria-hidden": "true" }, fill),
      h("span", { class: "value" }, percent(confidence, 1)));
  }));
}

function verdict(answer, truth) {
  const first = answer.classes[0];
  const judged = truth && (first.name === truth ? " – right" : " – wrong");
  return h("p", { class: "verdict" }, `${first.name} ${percent(first.confidence, 1)}`, judged && h("span", { class: "hint" }, judged));
}

function answerCard(answer, pixels, truth, first, showAttention) {
  const model = modelById(answer.model);
  const name = model ? model.name : answer.model;
  const faster = answer !== first && `${times(first.seconds / answer.seconds)} as fast as the first`;
  const looked = h("div", { class: "looked" }, pictureOf(pixels, "What the model saw"),
    answer.attention && showAttention && attentionOver(answer.attention, "Where the model looked: the warmer, the more"));
  return h("section", { class: "card answer", "data-model": answer.model },
    h("header", {}, h("h3", {}, name), h("p", { class: "hint" }, [model?.run, answer.dtype, model?.bytes && bytes(model.bytes)].filter(Boolean).join(" · "))),
    h("div", { class: "seen" }, looked, h("div", {}, verdict(answer, truth),
      h("p", {}, h("strong", { class: "latency" }, seconds(answer.seconds)), " for one image"),
      h("p", { class: "hint" }, [`median of ${answer.runs} runs on ${answer.threads} thread${answer.threads === 1 ? "" : "s"}`, faster].filter(Boolean).join("; ")),
      !answer.attention && h("p", { class: "hint" }, "No attention to show: only models in floats keep it."))),
    confidences(answer.classes));
}

let models = null;

function build(panel) {
  let picture = null, said = null, asked = 0;
  const place = h("div", { class: "stack", id: "try-results" });
  const wrong = complaint();
  const attention = toggle("attention", "Show where each model looked", true, () => show());
  const showAttention = () => attention.querySelector("input").checked;
  models = modelChecks(() => ask());
  function show() {
    if (!said) return replace(place, emptyNote("What do the models see?", "Choose a test picture, draw one or upload one: each model's answer stands here, side by side."));
    const { results, pixels } = said.body;
    replace(place, h("div", { class: "answers" },
      results.map((answer) => answerCard(answer, pixels, said.truth, results[0], showAttention()))));
  }
  async function ask() {
    const mine = ++asked, ids = models.ids(), now = picture;
    wrong.textContent = "";
    try {
      const body = now && ids.length ? await post("/api/predict", { models: ids, image: now.image }) : null;
      if (mine !== asked) return;
      said = body && { body, truth: now.truth };
    } catch (error) {
      if (mine !== asked) return;
      said = null;
      wrong.textContent = error.message;
    }
    show();
  }
  const source = pictureSource((next) => {
    picture = next;
    ask();
  });
  replace(panel, h("h2", {}, "Try it"),
    h("p", { class: "lead" }, "Show a picture to a model and to its smaller forms, side by side."),
    h("div", { class: "sides" },
      h("div", { class: "card stack" }, source.element,
        h("fieldset", {}, h("legend", {}, `Models, up to ${mostModels}`), models.element), attention),
      h("div", { class: "stack" }, wrong, place)));
  source.begin();
}

// `rest`: ids of models, a line each.
function open(rest) {
  if (rest) models.choose(rest.split("\n"));
}

export const tryTab = { id: "try", title: "Try it", build, open };
