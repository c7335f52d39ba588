/* One version, or two compared: the texts as they are opened, the graphs and the runs as they come. */

import { get, page } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { DagDifferences } from "../review/differences.js";
import { restoreButtons } from "./restore.js";
import { showDifference } from "../review/text-difference.js";
import { showRuns } from "./version-runs.js";
import { el } from "../common/dom.js";

const OPEN = 5;
const root = document.getElementById("version");
const { airflow } = root.dataset;
const state = JSON.parse(root.dataset.state);
restoreButtons(airflow);

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();

async function show(box, { dataset: { path, oldPath } }) {
  const { old, new: text, shown } = await get(page(`/dag-history/text?${query({ old: state.old, new: state.new, path, old_path: oldPath })}`));
  if (shown) showDifference(box, { path, old: old ?? "", text: text ?? "", names: ["Before", "After"] });
  else box.replaceChildren(el("p", { class: "muted" }, "This is no text that can be shown."));
}

const files = [...root.querySelectorAll("details[data-path]")];
for (const details of files) {
  whenOpened(details, show);
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
