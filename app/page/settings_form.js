// Forms from the server's own table of settings: names, limits and defaults are the command's.
import { h } from "./dom.js";
import { field, numberIn, reoption, select } from "./form.js";
import { count, percent } from "./format.js";
import { known, watch } from "./store.js";

const settingsOf = (verb) => known.settings[verb].fields;

export function settingOf(verb, name) {
  return settingsOf(verb).find((each) => each.name === name);
}

// What a setting is unless told otherwise, given the other values.
function defaultOf(setting, others) {
  const by = setting.defaults_by;
  const special = by && by.values[others[by.field]];
  return special ?? setting.default;
}

// "demo:compressed · int8 · 87.64 % · 89,643 parameters".
export function modelDetails(model) {
  const share = typeof model.accuracy === "number" && percent(model.accuracy);
  return [model.run, model.dtype !== "f32" && model.dtype, share, `${count(model.parameters)} parameters`].filter(Boolean).join(" · ");
}

const modelText = (model) => `${model.name} · ${modelDetails(model)}`;

// A select of the models that `accept` takes, which follows what the server has. One that ships
// with the program comes first, since it is trained well.
export function modelSelect(name, accept) {
  const control = select(name, [], "");
  const refresh = () => {
    const models = known.models.filter(accept);
    const shipped = models.find(({ source }) => source === "models");
    reoption(control, models.map((model) => [model.id, modelText(model)]), shipped && shipped.id);
  };
  watch("models", () => {
    const before = control.value;
    refresh();
    if (control.value !== before) control.dispatchEvent(new Event("change", { bubbles: true }));
  });
  refresh();
  return control;
}

export const accepts = {
  fp32: (model) => model.fp32 && model.kind === "file",
  any: () => true,
};

const named = (text, unit) => (unit ? `${text} (${unit})` : text);

// A browser counts steps from the minimum and refuses what lies between: any number is one to choose.
function numberControl({ name, type, minimum, maximum }) {
  const whole = type === "integer";
  return h("input", {
    type: "number", name, min: minimum, max: maximum, step: whole ? 1 : "any", inputmode: whole ? "numeric" : "decimal",
  });
}

// One setting with its label: {element, control, value}.
export function settingControl(setting) {
  const { name, type, label, help, unit, choices = [] } = setting;
  const control = type === "model" ? modelSelect(name, accepts[setting.accepts] || accepts.any)
    : type === "choice" ? select(name, choices.map((each) => [each.value, each.label]), setting.default)
      : numberControl(setting);
  return { setting, control, element: field(named(label, unit), control, help) };
}

export function readControl({ setting, control }) {
  if (setting.type === "integer" || setting.type === "number") return numberIn(control);
  return control.value;
}

// All settings of a verb, the usual ones in sight: {rows, more, values(), controls}.
export function settingsForm(verb, { leaveOut = [] } = {}) {
  const made = settingsOf(verb).filter(({ name }) => !leaveOut.includes(name)).map(settingControl);
  const controls = Object.fromEntries(made.map((each) => [each.setting.name, each.control]));
  const chosen = () => Object.fromEntries(made.map((each) => [each.setting.name, readControl(each)]));
  showDefaults(made, chosen);
  for (const each of made)
    each.control.addEventListener("change", () => showDefaults(made, chosen, each.setting.name));
  const of = (group) => made.filter((each) => (each.setting.group === "advanced") === (group === "advanced"))
    .map(({ element }) => element);
  return {
    controls,
    rows: of("basic"),
    more: h("details", {}, h("summary", {}, "More settings"), h("div", { class: "stack" }, of("advanced"))),
    values: () => changed(made, chosen()),
  };
}

// Where a default hangs on another field, a change of that brings it.
function showDefaults(made, chosen, changedField) {
  for (const { setting, control } of made) {
    if (setting.type !== "integer" && setting.type !== "number") continue;
    if (changedField && setting.defaults_by?.field !== changedField) continue;
    const value = defaultOf(setting, chosen());
    control.value = value ?? "";
  }
}

// What it is about, which comes first, and what differs from its default: the command stays as short
// as a person would write it.
function changed(made, values) {
  return Object.fromEntries(made.filter(({ setting }, i) => {
    const value = values[setting.name];
    return value !== undefined && (i === 0 || value !== defaultOf(setting, values));
  }).map(({ setting }) => [setting.name, values[setting.name]]));
}

// What makes a form's errors visible: the server's sentence, and the field that it names.
export function showRefusal(form, place, error) {
  place.textContent = error.message;
  const control = error.argument && form.elements[error.argument];
  if (control && control.focus) control.focus();
}
