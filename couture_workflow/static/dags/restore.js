/* Bringing an earlier version back: one file becomes a draft that is reviewed; more than that is shown as a plan. */

import { page, post } from "../common/api.js";
import { DagDifferences } from "../review/differences.js";
import { confirmErrors, problemList, verdict } from "../review/gate-report.js";
import { showSaved } from "../review/saved.js";
import { confirm, notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { messageField } from "../common/review.js";

const KINDS = { added: ["Comes back", "badge-ok"], changed: ["Changes back", "badge-info"], removed: ["Goes away", "badge-error"] };
const MOST = 200;

/** `path` "": everything. */
export async function restore(commit, path, airflow) {
  try {
    const answer = await ask(commit, path);
    if (answer?.review) location.assign(answer.review);
    else if (answer) await plan(commit, path, airflow);
  } catch (error) {
    notice(error.message, error.status === 422 || error.status === 404 ? "info" : "error");
  }
}

async function ask(commit, path) {
  try {
    return await post(page("/dag-history/restore"), { commit, path });
  } catch (error) {
    if (error.status !== 409) throw error;
    const sure = await confirm({ title: `Replace your draft of ${path}?`, text: "You have changed this file and not saved it. Restoring puts the earlier version in place of what you typed.", action: "Replace my draft", danger: true });
    return sure ? post(page("/dag-history/restore"), { commit, path, replace: true }) : null;
  }
}

function files(list) {
  const rows = list.slice(0, MOST).map(({ path, kind }) => el("li", {}, el("span", { class: `badge ${KINDS[kind][1]}` }, KINDS[kind][0]), " ", el("span", { class: "mono break" }, path)));
  return el("ul", { class: "plan-files", "aria-label": "Files" }, ...rows, list.length > MOST ? el("li", { class: "muted" }, `and ${list.length - MOST} more`) : null);
}

async function plan(commit, path, airflow) {
  const body = el("div", { class: "stack" }, el("p", { class: "muted", role: "status" }, "Working out what changes, and checking it…"), el("progress", { class: "progress", "aria-label": "Checking" }));
  const { field, input: message } = messageField({ label: "Message", value: `Restore ${path || "everything"} as of version ${commit.slice(0, 10)}` });
  const cancel = el("button", { type: "button", class: "btn" }, "Cancel");
  const go = el("button", { type: "button", class: "btn btn-primary", disabled: true }, "Restore");
  const title = `Restore ${path || "everything"}`;
  const dialog = el("dialog", { class: "dialog dialog-wide", "aria-label": title }, el("h2", { class: "break" }, title), body, field, el("div", { class: "dialog-actions" }, cancel, go));
  document.body.append(dialog);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  try {
    const found = await post(page("/dag-history/plan"), { commit, path });
    const errors = found.problems.filter(({ level }) => level === "error");
    const graphs = el("div", { class: "stack" });
    new DagDifferences(graphs).show(found.dags.filter(({ kind }) => kind !== "same"), found.unknown);
    body.replaceChildren(files(found.files), el("p", { class: `alert alert-${errors.length ? "error" : "ok"}` }, verdict(found.problems)), problemList(found.problems), graphs);
    go.disabled = errors.length > 0 && !found.mayOverride;
    if (errors.length) go.textContent = "Restore anyway…";
    go.addEventListener("click", () => apply({ commit, path, base: found.base, message: message.value, errors }, dialog, go, airflow));
  } catch (error) {
    body.replaceChildren(el("p", { class: "alert alert-error" }, error.message));
  }
}

async function apply({ errors, ...wanted }, dialog, button, airflow) {
  const override = errors.length > 0;
  if (override && !(await confirmErrors({ title: "Restore in spite of errors?", errors, action: "Restore anyway" }))) return;
  button.disabled = true;
  try {
    const answer = await post(page("/dag-history/apply"), { ...wanted, override });
    dialog.close();
    const box = el("div");
    document.querySelector("main").replaceChildren(box);
    showSaved(box, answer, airflow);
  } catch (error) {
    button.disabled = false;
    if (error.status === 409) {
      dialog.close();
      notice("Somebody else saved meanwhile. Look at the plan again.", "info");
      await plan(wanted.commit, wanted.path, airflow);
    } else notice(error.message, "error");
  }
}

/** Every <button data-restore="commit" data-path="…"> of the page. */
export function restoreButtons(airflow) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-restore]");
    if (!button) return;
    button.disabled = true;
    await restore(button.dataset.restore, button.dataset.path, airflow);
    button.disabled = false;
  });
}
