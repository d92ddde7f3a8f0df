// The page: what the server knows, the strip of jobs, and the tabs.
import { h, replace } from "./dom.js";
import { bytes } from "./format.js";
import { showJobsStrip } from "./jobs.js";
import { follow, loadAll } from "./live.js";
import { known } from "./store.js";
import { makeTabs } from "./tabs.js";
import { compressTab } from "./tab_compress.js";
import { tryTab } from "./tab_try.js";
import { trainTab } from "./tab_train.js";
import { tradeoffTab } from "./tab_tradeoff.js";
import { hardwareTab } from "./tab_hardware.js";
import { continualTab } from "./tab_continual.js";
import { runsTab } from "./tab_runs.js";

function showMachine() {
  const { cpu, isa, threads, memory_bytes: memory, version } = known.machine;
  const count = `${threads} thread${threads === 1 ? "" : "s"}`;
  const parts = [cpu, isa, count, memory && `${bytes(memory)} of memory`, version && `Espalier ${version}`];
  document.getElementById("machine").textContent = parts.filter(Boolean).join(" · ");
}

async function begin() {
  try {
    await loadAll();
  } catch (error) {
    replace(document.getElementById("panels"), h("p", { class: "complaint", role: "alert" }, error.message),
      h("button", { type: "button", class: "primary", onclick: () => location.reload() }, "Try again"));
    return;
  }
  showMachine();
  showJobsStrip();
  makeTabs(document.getElementById("tabs"), document.getElementById("panels"),
    [compressTab, tryTab, trainTab, tradeoffTab, hardwareTab, continualTab, runsTab]);
  follow();
}

begin();
