/* The runs of a source on its page: Play, how far they are, Kill, their outputs. */

import { ApiError, api, del, get, post } from "../common/api.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { el, waiting } from "../common/dom.js";
import { attachComparePicker } from "./compare-picker.js";
import { duration, logPath, outputPath, showOutputs } from "./outputs-table.js";
import { attachSchedule } from "./schedule.js";

/* Milliseconds between two looks: while something runs, and while nothing does. */
const BUSY = 1500;
const IDLE = 20000;
const SLOWEST = 60000;

const STAGES = { connecting: "Connecting", reading: "Reading", computing: "Computing", sampling: "Taking the sample", rendering: "Rendering the report" };

const panel = document.querySelector("[data-eda-runs]");

function started(panel) {
  const { source, airflowRoot, report, mayRun, mayDelete } = panel.dataset;
  const list = panel.querySelector("[data-list]");
  const now = panel.querySelector("[data-now]");
  const play = panel.querySelector("[data-play]");
  const problem = panel.querySelector("[data-problem]");
  const renewed = attachComparePicker(panel.querySelector("[data-compare-picker]"));
  const place = api(`/eda/outputs/${encodeURIComponent(source)}`);
  let timer = 0;
  let wait = IDLE;
  let looks = 0;
  const rows = new Map();

  const options = {
    report: (number) => report.replace(/0$/, number),
    airflow: airflowRoot,
    mayDelete,
    async remove(output) {
      const sure = await confirm({ title: `Delete output ${output.number}?`, text: "Its report and its numbers are gone for good.", action: "Delete", danger: true });
      if (sure && (await attempt(async () => (await del(outputPath(output))) ?? {}))) await look();
    },
  };

  async function kill(output, button) {
    const focused = document.activeElement === button;
    await waiting(button, async () => (await attempt(() => post(outputPath(output, "/stop")))) && look());
    if (focused && !button.isConnected) list.focus({ preventScroll: true }); // the run is gone, its button with it
  }

  /* One that is being made. Its nodes stay while it is: a button that is replaced loses the press that began on it. */
  function going(output) {
    const words = el("span", {});
    const since = el("span", { class: "muted" });
    const bar = el("progress", { class: "progress", max: 1 });
    const warnings = el("div", { class: "eda-warnings" });
    const node = el(
      "div",
      { class: "eda-now", "data-going": output.number },
      el("p", { class: "break" }, words, since, output.run_id ? el("a", { href: logPath(airflowRoot, output), "data-airflow": true }, "Log") : null),
      bar,
      mayRun ? el("button", { type: "button", class: "btn btn-danger", "aria-label": `Kill the run of output ${output.number}`, onclick: (event) => kill(output, event.currentTarget) }, "Kill") : null,
      warnings,
    );
    const tell = ({ state, started_at }, progress) => {
      const stage = progress?.stage ? (STAGES[progress.stage] ?? progress.stage) : state === "queued" ? "Waiting for a worker" : "Starting";
      const more = progress?.words && progress.words !== stage ? `: ${progress.words}` : "";
      const count = progress?.rows ? `, ${progress.rows.toLocaleString("en")} rows` : "";
      words.textContent = `Output ${output.number} - ${stage}${more}${count}`;
      since.textContent = ` (${duration(Math.max(0, (Date.now() - new Date(started_at)) / 1000))}) `;
      bar.setAttribute("aria-label", words.textContent);
      if (progress?.share === null || progress?.share === undefined) bar.removeAttribute("value");
      else bar.value = progress.share;
      const said = progress?.warnings ?? [];
      if (warnings.childElementCount !== said.length) warnings.replaceChildren(...said.map((text) => el("p", { class: "alert alert-warn break" }, text)));
    };
    return { node, tell };
  }

  function show({ outputs, progress }) {
    const open = outputs.filter(({ state }) => ["queued", "running"].includes(state));
    for (const [number, { node }] of rows) {
      if (open.some((output) => output.number === number)) continue;
      if (node.contains(document.activeElement)) list.focus({ preventScroll: true });
      node.remove();
      rows.delete(number);
      const output = outputs.find((each) => each.number === number);
      if (output) notice(`Output ${number}: ${output.message || output.state}.`.replace("..", "."), output.state === "failed" ? "error" : "ok");
    }
    for (const output of open) {
      if (!rows.has(output.number)) {
        rows.set(output.number, going(output));
        now.append(rows.get(output.number).node);
      }
      rows.get(output.number).tell(output, progress[output.number]);
    }
    const over = outputs.filter((output) => !open.includes(output));
    if (showOutputs(list, over, options)) renewed();
    return open.length;
  }

  async function look() {
    clearTimeout(timer);
    const mine = (looks += 1);
    try {
      const found = await get(place);
      if (mine !== looks) return;
      problem.hidden = true;
      wait = show(found) ? BUSY : IDLE;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine !== looks) return;
      wait = Math.min(wait * 2, SLOWEST);
      if (problem.textContent !== error.message) problem.textContent = error.message;
      problem.hidden = false;
      if (!list.dataset.shown) list.replaceChildren();
    }
    timer = setTimeout(() => (document.hidden ? null : look()), wait);
  }

  document.addEventListener("visibilitychange", () => document.hidden || look());
  play?.addEventListener("click", async () => {
    await waiting(play, async () => (await attempt(() => post(api(`/eda/sources/${encodeURIComponent(source)}/run`)))) && look());
  });
  if (play) play.disabled = false;
  look();
  attachSchedule(panel, { source });
}

if (panel) started(panel);
