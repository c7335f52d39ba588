/* Which runs used a version: links to Airflow's own pages. */

import { el } from "../common/dom.js";
import { localTimes } from "../common/page.js";

const FEW = 3;

const link = ({ dag_id: dag, run_id: run, state, start }, airflow) =>
  el(
    "li", { class: "version-run" },
    el("span", { class: `run-state state-${state.replaceAll(/[^\w-]/g, "_")}` }, state.replaceAll("_", " ") || "no state"), " ",
    el("a", { class: "break", "data-airflow": true, href: `${airflow}dags/${encodeURIComponent(dag)}/runs/${encodeURIComponent(run)}` }, `${dag}: ${run}`),
    ...(start ? [" ", el("time", { class: "muted", datetime: start }, start)] : []),
  );

/** Put the runs into a box: a line, and all of them behind it. */
export function showRuns(box, runs, airflow, { open = false } = {}) {
  const list = el("ul", { class: "version-runs-list" }, ...runs.map((run) => link(run, airflow)));
  const words = `${runs.length === 50 ? "50 or more" : runs.length} run${runs.length === 1 ? "" : "s"} used this version`;
  if (!runs.length) box.replaceChildren(el("p", { class: "muted" }, "No run used this version."));
  else if (open && runs.length <= FEW) box.replaceChildren(list);
  else box.replaceChildren(el("details", { open }, el("summary", {}, words), list));
  localTimes(box);
}
