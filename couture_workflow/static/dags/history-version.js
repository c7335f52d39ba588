/* One version, or two compared: the texts as they are opened, the graphs and the runs as they come. */

import { get, page } from "../common/api.js";
import { DagDifferences } from "../review/differences.js";
import { restoreButtons } from "./restore.js";
import { TextDifference } from "../review/text-difference.js";
import { showRuns } from "./version-runs.js";
import { el } from "../common/dom.js";

const OPEN = 5;
const root = document.getElementById("version");
const { airflow } = root.dataset;
const state = JSON.parse(root.dataset.state);
restoreButtons(airflow);

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();

async function show(details) {
  const box = details.querySelector(".file-difference");
  const { path, oldPath } = details.dataset;
  try {
    const { old, new: text, shown } = await get(page(`/dag-history/text?${query({ old: state.old, new: state.new, path, old_path: oldPath })}`));
    box.replaceChildren();
    if (!shown) box.append(el("p", { class: "muted" }, "This is no text that can be shown."));
    else new TextDifference(box, { path, old: old ?? "", text: text ?? "", names: ["Before", "After"] });
  } catch (error) {
    details.dataset.shown = "";
    box.textContent = `${error.message} Close and open this to try again.`;
  }
}

const files = [...root.querySelectorAll("details[data-path]")];
for (const details of files) {
  details.addEventListener("toggle", () => {
    if (!details.open || details.dataset.shown) return;
    details.dataset.shown = "yes";
    show(details);
  });
  if (files.length <= OPEN) details.open = true;
}

async function graphs() {
  const box = document.getElementById("graphs");
  try {
    const { dags } = await get(page(`/dag-history/graphs?${query({ old: state.old, new: state.new, path: state.path })}`));
    box.replaceChildren();
    new DagDifferences(box).show(dags);
  } catch (error) {
    box.replaceChildren(el("p", { class: "alert alert-error" }, error.message));
  }
}

async function runs() {
  const box = document.getElementById("runs");
  if (!box) return;
  try {
    const answer = await get(page(`/dag-history/runs?${query({ commit: state.new })}`));
    showRuns(box, answer.runs[state.new] ?? [], airflow, { open: true });
  } catch (error) {
    box.replaceChildren(el("p", { class: "alert alert-error" }, error.message));
  }
}

graphs();
runs();
