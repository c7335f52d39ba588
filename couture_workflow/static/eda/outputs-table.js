/* The table of a source's outputs, newest first. */

import { api } from "../common/api.js";
import { el, icon, iconButton } from "../common/dom.js";
import { localTimes } from "../common/page.js";

const BADGES = { success: "badge-ok", failed: "badge-error", stopped: "badge-warn", running: "badge-info" };
const HEADS = ["", "Output", "State", "Rows", "When", "Who", "Duration", "Version", ""];

const count = (number) => (number === null ? "" : number.toLocaleString("en"));

/** Seconds for people: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min. */
export function duration(seconds) {
  if (seconds === null) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Path of an output below the REST API. */
export const outputPath = (output, rest = "") =>
  api(`/eda/outputs/${encodeURIComponent(output.source)}/${output.number}${rest}`);

/** The page of Airflow that has the log of an output's task. */
export function logPath(root, { dag_id, run_id, task_id, map_index }) {
  const [dag, run, task] = [dag_id, run_id, task_id].map(encodeURIComponent);
  return `${root}dags/${dag}/runs/${run}/tasks/${task}${map_index >= 0 ? `/mapped/${map_index}` : ""}`;
}

function version(output) {
  const data = output.data_version ? el("span", { class: "break" }, output.data_version) : null;
  return [data, output.source_version ? el("code", { class: "small", title: output.source_version }, ` ${output.source_version.slice(0, 7)}`) : null];
}

function row(output, { report, airflow, mayDelete, remove }) {
  const name = `Output ${output.number}`;
  const title = output.has_report
    ? el("a", { href: report(output.number), target: "_blank", rel: "noopener", "data-airflow": true, title: "Open the report in a new tab" }, `${output.number}`)
    : `${output.number}`;
  const box = output.has_report
    ? el("input", { type: "checkbox", name: "compare", value: output.number, form: "eda-compare", "aria-label": `Compare output ${output.number}` })
    : null;
  const said = output.guard.filter(({ fails }) => !fails).map(({ message }) => message);
  const download = (path, label, words) => el("a", { class: "btn btn-small", href: path, download: true, "aria-label": `${words} of ${name}`, title: words }, icon("download"), label);
  return el(
    "tr",
    { "data-number": output.number, "data-state": output.state },
    el("td", {}, box),
    el("th", { scope: "row", "data-label": "Output" }, title),
    el("td", { "data-label": "State" }, el("span", { class: `badge ${BADGES[output.state] ?? ""}` }, output.state), ...[output.message, ...said].filter(Boolean).map((text) => el("div", { class: "small eda-message" }, text)), output.alerts ? el("div", { class: "small muted" }, `${output.alerts.toLocaleString("en")} alert${output.alerts === 1 ? "" : "s"}`) : null),
    el("td", { class: "number", "data-label": "Rows" }, count(output.rows)),
    el("td", { class: "nowrap", "data-label": "When" }, el("time", { datetime: output.started_at }, output.started_at)),
    el("td", { class: "eda-who", "data-label": "Who" }, output.by || el("span", { class: "muted" }, "schedule")),
    el("td", { class: "number nowrap", "data-label": "Duration" }, duration(output.seconds)),
    el("td", { "data-label": "Version" }, ...version(output)),
    el(
      "td",
      { class: "actions nowrap" },
      ...(output.has_report ? [download(outputPath(output, "/report"), "HTML", "Download the report"), download(outputPath(output), "JSON", "Download the numbers")] : []),
      output.run_id ? el("a", { class: "btn btn-small", href: logPath(airflow, output), "data-airflow": true, "aria-label": `Log of ${name}` }, "Log") : null,
      mayDelete && output.ended_at ? iconButton("trash", `Delete output ${output.number}`, () => remove(output)) : null,
    ),
  );
}

const controls = (row) => [...(row?.querySelectorAll("a, button, input") ?? [])];

/* Replace what a box holds; what had the focus has it again, the box if that is gone. */
function replace(box, node) {
  const row = box.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
  const at = controls(row).indexOf(document.activeElement);
  box.replaceChildren(node);
  if (row) (controls(box.querySelector(`[data-number="${row.dataset.number}"]`))[at] ?? box).focus({ preventScroll: true });
}

/** Show outputs in a box: `report(number)` gives an address, `remove(output)` deletes one. */
export function showOutputs(box, outputs, options) {
  const shown = JSON.stringify(outputs);
  if (box.dataset.shown === shown) return false;
  box.dataset.shown = shown;
  if (!outputs.length) {
    replace(box, el("p", { class: "muted" }, "There is no output yet."));
    return true;
  }
  const head = el("tr", {}, ...HEADS.map((text, at) => el("th", { scope: "col", class: ["Rows", "Duration"].includes(text) ? "number" : false }, text || el("span", { class: "visually-hidden" }, at ? "Actions" : "Compare"))));
  const table = el("table", { class: "table eda-outputs" }, el("thead", {}, head), el("tbody", {}, ...outputs.map((output) => row(output, options))));
  replace(box, table);
  localTimes(table);
  return true;
}
