/* Review & Save: the drafts, the gate and the graphs of what they make, the save. */

import { get, page, post } from "../common/api.js";
import { DagDifferences } from "./differences.js";
import { confirmErrors, problemList, verdict } from "./gate-report.js";
import { ReviewedFile } from "./file.js";
import { showSaved } from "./saved.js";
import { notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { localTimes } from "../common/page.js";

const WAIT = 700;
const root = document.getElementById("review");
const airflow = root.dataset.airflow;
const mayEdit = root.dataset.mayEdit === "true";

let state = JSON.parse(root.dataset.state);
let files = [];
let checked = null; // { key, answer }: what the newest check was of, and said
let asked = 0;
let timer = null;
let saving = false;

const gate = el("div", { class: "gate", role: "status", "aria-label": "Save gate" });
const graphs = el("div", { class: "stack" });
const differences = new DagDifferences(graphs, { onOpen: (node, dag) => node.change !== "removed" && node.line && open({ path: node.path || dag.path, line: node.line }) });
const message = el("input", { id: "message", maxlength: "2000", placeholder: "What changes, and why", autocomplete: "off" });
const save = el("button", { type: "button", class: "btn btn-primary", disabled: true, onclick: () => submit(false) }, "Save");
const anyway = el("button", { type: "button", class: "btn btn-danger", hidden: true, onclick: () => submit(true) }, "Save anyway…");
const hint = el("span", { class: "small muted", role: "status" });
let drafted = "";

const chosen = () => files.filter((file) => file.included);
const contents = () => chosen().filter((file) => !file.isSame).map((file) => file.content);
const key = () => JSON.stringify(contents().map((each) => each && [each.path, each.content]));

function open(problem) {
  files.find(({ path }) => path === problem.path)?.goTo(problem);
}

/** Bring buttons and hints in line with what is known. */
function tell() {
  const undecided = chosen().some((file) => file.content === null);
  const nothing = contents().length === 0;
  const current = checked?.key === key() ? checked.answer : null;
  const errors = current?.problems.filter(({ level }) => level === "error") ?? [];
  save.disabled = saving || undecided || nothing || !current || errors.length > 0;
  anyway.hidden = !(state.mayOverride && errors.length) || undecided || nothing;
  anyway.disabled = saving;
  if (saving) hint.textContent = "Saving…";
  else if (undecided) hint.textContent = "Decide above what becomes of both changes.";
  else if (nothing) hint.textContent = "Nothing differs from what is saved.";
  else if (!current) hint.textContent = checked?.failed === key() ? "The check failed." : "Checking…";
  else hint.textContent = errors.length ? "Errors block the save." : "";
}

function showGate(answer) {
  const errors = answer.problems.some(({ level }) => level === "error");
  gate.replaceChildren(el("p", { class: `alert alert-${errors ? "error" : answer.problems.length ? "warn" : "ok"}` }, verdict(answer.problems)), problemList(answer.problems, open));
}

async function check() {
  const now = key();
  const texts = contents();
  if (texts.length === 0 || texts.includes(null)) {
    const why = texts.length ? "Checked as soon as it is clear what is to be saved." : "Nothing to check.";
    gate.replaceChildren(el("p", { class: "muted" }, why));
    differences.show([]);
    return tell();
  }
  const number = (asked += 1);
  tell();
  if (!checked) gate.replaceChildren(el("p", { class: "muted" }, "Checking the files and drawing their DAGs…"), el("progress", { class: "progress", "aria-label": "Checking" }));
  gate.setAttribute("aria-busy", "true");
  try {
    const answer = await post(page("/dag-review/check"), { files: texts });
    if (number !== asked) return;
    checked = { key: now, answer };
    showGate(answer);
    differences.show(answer.dags, answer.unknown);
    for (const file of files) file.problems(answer.problems);
    if (message.value === drafted) message.value = answer.message;
    drafted = answer.message;
  } catch (error) {
    if (number !== asked) return;
    checked = { key: "", failed: now, answer: null };
    gate.replaceChildren(el("p", { class: "alert alert-error" }, error.message), el("button", { type: "button", class: "btn btn-small", onclick: check }, "Check again"));
  }
  gate.removeAttribute("aria-busy");
  tell();
}

function changed() {
  tell();
  clearTimeout(timer);
  timer = setTimeout(check, checked ? WAIT : 0);
}

async function submit(override) {
  if (override) {
    const errors = checked.answer.problems.filter(({ level }) => level === "error");
    if (!(await confirmErrors({ title: "Save in spite of errors?", errors, action: "Save anyway" }))) return;
  }
  saving = true;
  tell();
  await Promise.all(files.map((file) => file.settled()));
  try {
    const answer = await post(page("/dag-review/save"), { files: contents(), base: state.head, message: message.value, override });
    done(answer);
  } catch (error) {
    saving = false;
    await refused(error);
  }
  tell();
}

function done(answer) {
  for (const file of files) file.destroy();
  files = [];
  const rest = state.files.length - answer.files.length;
  showSaved(root, answer, airflow);
  if (rest > 0) notice("Drafts that you did not choose are kept.", "info");
}

async function refused(error) {
  if (error.status === 409) {
    notice("Somebody else saved meanwhile. Nothing of yours was saved or lost: both changes are shown.", "info");
    await reload();
  } else if (error.body.problems) {
    showGate({ problems: error.body.problems });
    checked = { key: key(), answer: { ...checked.answer, problems: error.body.problems } };
    notice(error.message, "error");
  } else notice(error.message, "error");
}

/** Read everything again; `from` may have moved `to` another path, or be gone (null). */
async function reload(from = "", to = "") {
  const address = new URL(location.href);
  const paths = address.searchParams.getAll("path").map((path) => (path === from ? to : path)).filter((path) => path !== null);
  if (from) {
    address.searchParams.delete("path");
    for (const path of paths) address.searchParams.append("path", path);
    if (to === null && !paths.length) return location.assign(page("/manage-dags/"));
    window.history.replaceState(null, "", address);
  }
  try {
    state = await get(page(`/dag-review/state${address.search}`));
    checked = null;
    draw();
  } catch (error) {
    notice(error.message, "error");
  }
}

function draw() {
  for (const file of files) file.destroy();
  const context = { head: state.head, user: state.user, several: state.files.length > 1, mayEdit, changed, reload };
  files = state.files.map((file) => new ReviewedFile(file, context));
  const missing = state.missing.map((path) => el("p", { class: "alert alert-info" }, `You have no draft of ${path}: there is nothing to review. `, el("a", { href: page(`/dag-editor/?path=${encodeURIComponent(path)}`) }, "Edit it")));
  if (!files.length) {
    root.replaceChildren(...missing, el("div", { class: "empty" }, el("h2", {}, "Nothing to review"), el("p", {}, "What you change in the editor waits here until you save it."), el("a", { class: "btn btn-primary", href: page("/manage-dags/") }, "Manage DAGs")));
    return;
  }
  const texts = el("div", { class: "stack review-texts" }, ...missing, ...files.map(({ element }) => element));
  const results = el("aside", { class: "stack review-results", "aria-label": "Checks and graphs" }, el("h2", {}, "Save gate"), gate, el("h2", {}, "DAGs"), graphs);
  const bar = el("div", { class: "toolbar-sticky review-bar" }, el("label", { for: message.id }, "Message"), message, hint, anyway, save);
  root.replaceChildren(el("div", { class: "review" }, texts, results), mayEdit ? bar : "");
  for (const file of files) file.start();
  localTimes(root);
}

message.addEventListener("keydown", (event) => event.key === "Enter" && !save.disabled && submit(false));
draw();
