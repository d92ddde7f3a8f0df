// Compress: choose a model and how far to go; five measured results.
import { h, replace } from "./dom.js";
import { choice, field, slider } from "./form.js";
import { percent } from "./format.js";
import { jobCard } from "./job_card.js";
import { formTab, startForm } from "./job_tab.js";
import { emptyNote } from "./notes.js";
import { accepts, modelSelect, readControl, settingControl, settingOf } from "./settings_form.js";
import { modelById } from "./store.js";
import { compressResults, resultsAsItIs } from "./compress_results.js";

const presets = {
  edge: "INT8 and half of the parameters pruned: for small devices.",
  "gpu-server": "FP16 and 30 % pruned: for machines that multiply in 16 bits.",
  tiny: "INT8 and 70 % pruned: as small as it gets.",
};
const targets = {
  balanced: "Some of each: faster and smaller without losing much.",
  speed: "The least time for an image.",
  size: "The smallest file.",
  accuracy: "The most images right, whatever is then quickest.",
};

function options(texts, names = {}) {
  return Object.keys(texts).map((key) => [key, names[key] || key[0].toUpperCase() + key.slice(1)]);
}

// A choice with a sentence about what is chosen.
function explained(name, legend, texts, names) {
  const hint = h("p", { class: "hint" });
  const update = () => { hint.textContent = texts[made.value]; };
  const made = choice(name, legend, options(texts, names), Object.keys(texts)[0], update);
  update();
  return { element: h("div", { class: "stack" }, made.element, hint), get value() { return made.value; } };
}

function byHand() {
  const { maximum = 0.7 } = settingOf("compress", "sparsity");
  const dtype = choice("dtype", "Quantisation", [["f32", "None"], ["f16", "FP16"], ["int8", "INT8"]], "int8");
  const recover = settingControl({ ...settingOf("compress", "recover"), default: 1 });
  recover.control.value = 1;
  const pruned = slider("sparsity", "Sparsity", {
    value: 0, min: 0, max: maximum, step: 0.05, text: (share) => percent(share, 0),
    hint: "The share of parameters to prune away: whole channels and heads, so that matrices get smaller.",
    oninput: (share) => { recover.element.hidden = share === 0; },
  });
  return {
    element: h("div", { class: "stack" }, dtype.element, pruned.element, recover.element),
    values() {
      const sparsity = Number(pruned.input.value);
      const values = { dtype: dtype.value };
      if (sparsity > 0) Object.assign(values, { sparsity, recover: readControl(recover) ?? 0 });
      return values;
    },
  };
}

function ways() {
  const hand = byHand();
  const preset = explained("preset", "Preset", presets, { "gpu-server": "GPU server" });
  const target = explained("target", "Best for", targets);
  return {
    hand, preset: { element: preset.element, values: () => ({ preset: preset.value }) },
    target: {
      element: h("div", { class: "stack" }, target.element,
        h("p", { class: "hint" }, "Makes and measures many models on this machine and takes the best: minutes to an hour.")),
      values: () => ({ target: target.value }),
    },
  };
}

const named = (names) => names.filter((name) => settingOf("compress", name)).map((name) => settingControl(settingOf("compress", name)));

function fillDefaults(controls) {
  for (const { control, setting } of controls)
    if (control.type === "number" && setting.default) control.value = setting.default;
}

function valuesOf(controls) {
  return Object.fromEntries(controls.map((each) => [each.setting, readControl(each)])
    .filter(([setting, value]) => value !== undefined && value !== setting.default)
    .map(([setting, value]) => [setting.name, value]));
}

let choose = () => {};  // a model by its id, as another tab asks for

function makeForm(onstarted) {
  const model = modelSelect("model", accepts.fp32);
  const all = ways();
  const budget = named(["max_size", "max_latency", "min_accuracy"]);
  const more = named(["qat", "observer", "seconds", "max_steps", "threads", "seed"]);
  fillDefaults(more);
  const how = choice("way", "How", [["hand", "By hand"], ["preset", "Preset"], ["target", "Target"]], "hand", update);
  const optimise = h("input", { type: "checkbox", name: "optimise", role: "switch", checked: true, onchange: update });
  const settings = h("div", { class: "stack" });
  const button = h("button", { class: "primary wide" }, "Compress");
  function update() {
    settings.hidden = !optimise.checked;
    button.textContent = optimise.checked ? "Compress" : "Measure as it is";
    for (const [name, way] of Object.entries(all)) way.element.hidden = name !== how.value;
    // A search decides by itself what is trained on integer kernels.
    for (const { element, setting } of more) element.hidden = setting.name === "qat" && how.value === "target";
  }
  replace(settings, how.element, Object.values(all).map(({ element }) => element),
    h("details", {}, h("summary", {}, "Budget"), h("div", { class: "stack" }, budget.map(({ element }) => element))),
    h("details", {}, h("summary", {}, "More settings"), h("div", { class: "stack" }, more.map(({ element }) => element))));
  const asked = () => {
    if (!optimise.checked) return ["profile", { model: model.value }];
    const visible = more.filter(({ element }) => !element.hidden);
    return ["compress", { model: model.value, ...all[how.value].values(), ...valuesOf([...budget, ...visible]) }];
  };
  update();
  choose = (id) => { model.value = id; };
  return startForm({
    label: "Compress a model", asked, button, onstarted,
    content: [field("Model", model, "One that ships with Espalier, or of a run of yours."),
      h("label", { class: "toggle" }, optimise, h("span", {}, "Optimise")), settings],
  });
}

const invitation = () => emptyNote("Five results will stand here",
  "How much smaller the file became, how much faster the model answers, how many parameters are gone, its final size and its images per second; accuracy beside them. Each is measured on the file itself, on this machine.",
  "Press Compress to begin. The model that ships with Espalier takes less than a minute in INT8.");

function resultOf(run) {
  if (run.results.report?.models) return compressResults(run);
  if (run.results.profile) return resultsAsItIs(run, modelById(run.job?.arguments?.model));
  if (run.job) return jobCard(run.job);
  return emptyNote("This run has no report yet", "It was begun on the command line and not finished; its folder is in Runs.");
}

function build(panel) {
  formTab(panel, {
    verb: "compress", title: "Compress",
    lead: "Make a trained model smaller and faster, and see what that cost. Every figure is measured on the file that you can take along.",
    form: makeForm, invitation, draw: resultOf,
  });
}

function open(model) {
  if (modelById(model)) choose(model);
}

export const compressTab = { id: "compress", title: "Compress", build, open };
