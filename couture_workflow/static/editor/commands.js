/* What the buttons of the editor do with the text as a whole: check, format, upgrade, bricks. */

import { EditorState, EditorView, MergeView, diff } from "../vendor/codemirror.js";
import { page, post } from "../common/api.js";
import { notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { insertText } from "./insert.js";
import { follow, goTo, language, look, readOnly } from "./setup.js";

const byId = (id) => document.getElementById(id);

/** Replace a text by another one by as few changes as need be, so that the cursor and the folds stay. */
export function become(view, content) {
  const old = view.state.doc.toString();
  const text = content.replace(/\r\n?/g, "\n");
  const changes = diff(old, text, { scanLimit: 2000, timeout: 300 }).map(({ fromA, toA, fromB, toB }) => ({
    from: fromA, to: toA, insert: text.slice(fromB, toB),
  }));
  if (changes.length) view.dispatch({ changes, userEvent: "input.format" });
  return changes.length > 0;
}

/** Lay the text out with ruff (`what` is "format"), or sort its imports ("imports"). */
export async function layOut(view, path, what) {
  const { doc } = view.state;
  try {
    const answer = await post(page("/dag-editor/format"), { path, content: doc.toString(), what });
    if (view.state.doc !== doc) return notice("You typed meanwhile, so nothing was changed. Try again.", "info");
    if (!become(view, answer.content)) notice(what === "imports" ? "The imports are in order." : "The layout is in order.");
  } catch (error) {
    notice(error.message, "error");
  }
  view.focus();
}

const MARKS = { error: ["Error", "badge-error"], warning: ["Warning", "badge-warn"], note: ["Note", "badge-info"] };

/** Run the gate as a save would, mark its problems in the text and list them with the DAGs that it found. */
export async function runCheck(view, path, checker, content) {
  const button = byId("check");
  const { doc } = view.state;
  button.disabled = true;
  button.textContent = "Checking…";
  try {
    const report = await post(page("/dag-editor/check"), { path, content });
    if (view.state.doc === doc) checker.showGate(view, report.problems);
    showReport(view, path, report);
  } catch (error) {
    notice(error.message, "error");
  } finally {
    button.disabled = false;
    button.textContent = "Check";
  }
}

function showReport(view, path, { passed, problems, graphs }) {
  const dags = graphs.filter((graph) => graph.path === path);
  const summary = passed
    ? el("p", { class: "alert alert-ok" }, problems.length ? "It can be saved. Look at the warnings." : "All is well: it can be saved.")
    : el("p", { class: "alert alert-error" }, "It cannot be saved like this: correct the errors first.");
  const found = problems.map((problem) =>
    el(
      "li",
      {},
      el("span", { class: `badge ${MARKS[problem.level][1]}` }, MARKS[problem.level][0]),
      el("span", { class: "grow break" }, problem.message, problem.advice ? el("span", { class: "muted" }, ` ${problem.advice}`) : null),
      placeOf(view, path, problem),
    ),
  );
  const list = dags.map(({ dag_id: id, tasks, schedule }) =>
    el("li", {}, el("strong", { class: "break" }, id), ` ${tasks.length} task${tasks.length === 1 ? "" : "s"}, schedule: ${schedule || "none"}`),
  );
  byId("check-body").replaceChildren(
    summary,
    found.length ? el("ul", { class: "findings" }, ...found) : "",
    el("h3", {}, "DAGs in this file"),
    list.length ? el("ul", {}, ...list) : el("p", { class: "muted" }, "None."),
  );
  byId("check-dialog").showModal();
}

function placeOf(view, path, problem) {
  if (problem.path && problem.path !== path) return el("span", { class: "mono small break" }, `${problem.path}:${problem.line || 1}`);
  if (!problem.line) return null;
  const onclick = () => {
    byId("check-dialog").close();
    goTo(view, `L${problem.line}C${problem.column || 1}`);
    view.focus();
  };
  return el("button", { type: "button", class: "btn btn-small nowrap", onclick }, `Line ${problem.line}`);
}

/** The file looks as if it was written for an older Airflow: offer to upgrade it, shown before it is applied. */
export function offerUpgrade(view, path) {
  const button = byId("upgrade");
  button.hidden = false;
  button.title = "This file looks as if it was written for an older Airflow";
  button.addEventListener("click", async () => {
    const { doc } = view.state;
    try {
      const answer = await post(page("/dag-editor/upgrade"), { path, content: doc.toString() });
      showUpgrade(view, path, doc, answer);
    } catch (error) {
      notice(error.message, "error");
    }
  });
}

function showUpgrade(view, path, doc, { content, changes, notes }) {
  const text = content.replace(/\r\n?/g, "\n");
  const same = text === doc.toString();
  const dialog = byId("upgrade-dialog");
  const line = ({ line: number, message, advice }) => el("li", {}, `Line ${number}: ${message}`, advice ? ` ${advice}` : "");
  const place = el("div", {});
  byId("upgrade-body").replaceChildren(
    same ? el("p", {}, "There is nothing to change.") : place,
    notes.length ? el("h3", {}, "Look at these yourself") : "",
    notes.length ? el("ul", {}, ...notes.map(line)) : "",
    changes.length ? el("h3", {}, "What changes") : "",
    changes.length ? el("ul", {}, ...changes.map(line)) : "",
  );
  const apply = byId("upgrade-apply");
  apply.hidden = same;
  dialog.showModal();
  const shown = (label) => [
    look(), language(path), readOnly(), EditorState.tabSize.of(4), EditorView.contentAttributes.of({ "aria-label": label }),
  ];
  const merge = same ? null : new MergeView({
    a: { doc, extensions: shown("As it is") }, b: { doc: text, extensions: shown("Upgraded") },
    parent: place, collapseUnchanged: { margin: 3, minSize: 6 }, gutter: true,
  });
  if (merge) [merge.a, merge.b].forEach(follow);
  apply.onclick = () => {
    dialog.close();
    if (view.state.doc !== doc) return notice("You typed meanwhile, so nothing was changed. Try again.", "info");
    become(view, text);
    byId("upgrade").hidden = true;
    view.focus();
  };
  byId("upgrade-cancel").onclick = () => dialog.close();
  dialog.addEventListener("close", () => merge?.destroy(), { once: true });
}

/** The button Insert brick opens the dialog of dag_editor_bricks.js, which inserts by insertText(). */
export async function setBrickDialog(view) {
  const button = byId("brick");
  if (!button?.dataset.script) return;
  const { chooseBrick } = await import(button.dataset.script);
  button.hidden = false;
  button.addEventListener("click", async () => {
    const brick = await chooseBrick();
    if (brick) insertText(view, brick.text, brick.imports);
    view.focus();
  });
}
