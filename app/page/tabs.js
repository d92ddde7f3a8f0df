// The tabs, by the pattern of WAI-ARIA: one stop of the Tab key, arrows move between them. The
// address says which one is open: "#runs", and "#runs/NAME" what is open in it.
import { h } from "./dom.js";

export function makeTabs(list, panels, subjects) {
  const tabs = subjects.map(({ id, title, build, open }) => {
    const tab = h("button", {
      type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, tabindex: "-1",
      onclick: () => go(id),
    }, title);
    const panel = h("section", {
      role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, hidden: true,
    });
    panels.append(panel);
    return { id, title, tab, panel, build, open, built: false };
  });
  const bar = h("div", { role: "tablist", "aria-label": "What to do" }, tabs.map(({ tab }) => tab));
  list.append(bar);
  bar.addEventListener("keydown", (event) => move(event, tabs));
  const show = () => showPlace(tabs);
  addEventListener("hashchange", show);
  show();
}

// Opens a tab, and in it what `rest` names.
export function go(id, rest = "") {
  location.hash = rest ? `${id}/${encodeURIComponent(rest)}` : id;
}

function place() {
  const [id, rest = ""] = location.hash.slice(1).split("/");
  try {
    return { id, rest: decodeURIComponent(rest) };
  } catch {
    return { id, rest: "" };  // an address that someone typed
  }
}

function showPlace(tabs) {
  const { id, rest } = place();
  if (id === "panels") return;  // the link past the tabs
  const chosen = tabs.find((each) => each.id === id) || tabs[0];
  for (const each of tabs) {
    const selected = each === chosen;
    each.tab.setAttribute("aria-selected", selected);
    each.tab.tabIndex = selected ? 0 : -1;
    each.panel.hidden = !selected;
  }
  document.title = `${chosen.title} · Espalier`;
  chosen.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (!chosen.built) {
    chosen.built = true;
    chosen.build(chosen.panel);
  }
  if (chosen.open) chosen.open(rest);
}

function move(event, tabs) {
  const at = tabs.findIndex(({ tab }) => tab === document.activeElement);
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1,
  }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  const next = tabs[to % tabs.length];
  next.tab.focus();
  go(next.id);
}
