/* Schedule a notebook: what the notebook says, checks while typing, a save that loses nothing, the way to the DAG. */

import { ApiError, api, get, page, post, put } from "../common/api.js";
import { combobox, matching } from "../common/combobox.js";
import { confirm } from "../common/dialog.js";
import { makeDraft } from "../common/draft.js";
import { Form, ready } from "../common/form.js";
import { leave } from "../common/page.js";
import { Question } from "../common/question.js";
import { FIELDS, controlOf, kindOf, ownFindings, read, showKernels, showKind, write } from "./fields.js";
import { FilesBeside } from "./files.js";
import { Findings } from "./findings.js";
import { Parameters, given as givenParameters } from "./parameters.js";
import { showSaved } from "./saved.js";
import { showTimes } from "./times.js";
import { explained, tell } from "./told.js";

const form = document.getElementById("schedule");
const given = JSON.parse(form.dataset.state);
const told = document.getElementById("told");
const facts = document.getElementById("notebook-facts");
const kept = new Form({ fields: FIELDS, prefix: "schedule-", state: "schedule-state" });
const draft = makeDraft("schedule", `${given.user}.${given.editing ? given.form.name : `new ${given.form.notebook}`}`);
const parameters = new Parameters(document.getElementById("parameters"), { changed });
const files = new FilesBeside(document.getElementById("files"), { changed });
const findings = new Findings({ kept, parameters, outside: (message) => tell(told, "failed", message) });

let isNamed = given.editing; // by a person: another notebook does not give another name

const data = () => read(form, { parameters, files });
const notebook = () => controlOf("notebook").value.trim();
/* The copy that is there stays while the notebook is the same, and with it what it says. */
const keepsCopy = () => given.editing && notebook() === given.form.notebook;

const check = new Question({
  ask: () => post(api("/notebooks/schedules/check"), { ...data(), changes: given.editing ? given.form.name : "" }),
  show({ findings: found, words, times }) {
    tell(told, "failed", "");
    findings.show([...ownFindings(), ...parameters.twice(), ...found]);
    showTimes(document.getElementById("when-told"), kindOf(form), { words, next: times });
  },
  failed(error) {
    if (error.status === 422 && error.field) findings.show([{ field: error.field, message: error.message, level: "error" }]);
    else tell(told, "failed", explained(error), { "Try again": () => check.now() });
  },
});

/* What the notebook says. */

const notebookSays = new Question({
  ask: () => get(`${api("/notebooks/documents")}?${new URLSearchParams({ path: notebook() })}`),
  show(found) {
    const size = found.cells === 1 ? "1 cell" : `${found.cells.toLocaleString("en")} cells`;
    facts.textContent = [size, found.language, found.kernel && `kernel ${found.kernel}`].filter(Boolean).join(", ");
    showKernels(found.kernels, found.kernel);
    if (!keepsCopy()) showParameters(found.parameters, found.has_parameters);
    files.show(keepsCopy() ? merged(found.files, given.files) : found.files);
    if (!isNamed) controlOf("name").value = suggestedName(found.path);
    check.now();
  },
  failed(error) {
    facts.textContent = "";
    if (keepsCopy()) return void check.now(); // the copy is all that is needed
    if ([404, 413, 422].includes(error.status)) check.now(); // which tells it beside the field
    else tell(told, "failed", explained(error), { "Try again": () => notebookSays.now() });
  },
});

const merged = (found, pinned) => [...found, ...pinned.filter(({ path }) => !found.some((file) => file.path === path))];
const suggestedName = (path) => path.split("/").pop().replace(/\.ipynb$/, "").normalize("NFKD").replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^[._-]+|[._-]+$/g, "").slice(0, 80);

function showParameters(declared, isTagged, values) {
  parameters.show(declared, values);
  document.getElementById("parameters-help").textContent = isTagged || declared.length
    ? "Of the notebook's cell that is tagged “parameters”. A field that you leave alone stays as the notebook has it."
    : "The notebook has no cell that is tagged “parameters”. What you add here is put in at its top.";
}

/* Asked for once in a while, not at each key. */
const LIST_SECONDS = 10;
const notebooks = (() => {
  let asked = -Infinity;
  let list = null;
  return () => {
    if (performance.now() - asked > LIST_SECONDS * 1000) {
      asked = performance.now();
      list = get(page("/notebook-schedules/notebooks")).then((found) => found.notebooks.map((value) => ({ value })), () => []);
    }
    return list;
  };
})();

combobox(controlOf("notebook"), { suggest: async (text) => matching(await notebooks(), text), pick: () => notebookSays.now() });
combobox(controlOf("when.zone"), { suggest: (text) => matching(given.zones.map((value) => ({ value })), text) });

/* While somebody types. */

function changed() {
  kept.changed();
  draft.keep({ base: given.base, data: data(), parameters: parameters.values() });
  check.soon();
}

form.addEventListener("input", ({ target }) => {
  findings.visit(target.name);
  if (target.name === "name") isNamed = true;
  if (target.name === "when.kind") showKind(form, target.value);
  changed();
  if (target.name === "notebook") notebookSays.soon();
});
document.getElementById("add-parameter").addEventListener("click", () => parameters.add());

/* Saving. */

const address = api("/notebooks/schedules/") + (given.editing ? encodeURIComponent(given.form.name) : "");
const call = (over) =>
  given.editing
    ? put(address, { ...data(), base: over ? null : given.base, replace_edited: over || given.edited })
    : post(address, data());

const mayReplace = () =>
  confirm({
    title: "Write the DAG file anew?",
    text: `Somebody changed ${given.path} by hand. Saving this form writes it anew, and those changes go; they stay in DAG History.`,
    action: "Write it anew", danger: true,
  });

async function save({ over = false } = {}) {
  const button = form.querySelector("[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  check.forget();
  kept.tell("Saving…");
  tell(told, "failed", "");
  try {
    const saved = await call(over);
    draft.keep(null);
    kept.saved();
    showSaved({ form, told }, saved, { airflow: form.dataset.airflow, editing: given.editing });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refused(error);
  } finally {
    button.disabled = false;
  }
}

/** Nothing was saved, and nothing that was typed is lost. */
function refused(error) {
  const found = error.code === "schedule" ? error.body.problems : error.field ? [{ field: error.field, message: error.message, level: "error" }] : [];
  if (found.length && findings.show(found)?.focus) {
    kept.tell("Not saved: correct what is marked.");
    findings.focus();
    return;
  }
  kept.tell("Not saved.");
  const clash = error.status === 409 && given.editing;
  const open = () => leave(location.href, { tab: true });
  tell(told, "failed", explained(error), clash ? { "Save mine over it": () => save({ over: true }), "Show what is saved": open } : { "Try again": () => save() });
  document.getElementById("told-failed").focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  findings.visitAll();
  const wrong = [...ownFindings(), ...parameters.twice()];
  if (wrong.length) {
    findings.show(wrong);
    return findings.focus();
  }
  if (!given.edited || (await mayReplace())) await save();
});

/* Start: what is saved or asked for, over it the draft of this tab. */

function start(from, values) {
  write(form, from);
  showKernels(given.kernels, "", from.kernel);
  files.show(given.files ?? [], from.files);
  if (given.editing) showParameters(given.parameters, given.parameters.length > 0, values);
  else parameters.show([], values);
  if (notebook()) notebookSays.now();
  else document.getElementById("parameters-help").textContent = "Choose a notebook: its parameters appear here.";
}

const stored = draft.read();
if (stored) {
  given.base = stored.base; // so that a save of somebody else since then is noticed
  isNamed = true;
  start(stored.data, stored.parameters);
  kept.changed();
  const anew = () => {
    draft.keep(null);
    kept.saved();
    location.reload();
  };
  tell(told, "draft", "What you typed before is back.", { "Start anew": anew });
} else start(given.form, givenParameters(given.form));
ready(form);
if (given.edited) {
  const unknown = given.unknown.length ? ` It says by its own code what stands here as ${given.unknown.join(", ")}.` : "";
  tell(told, "edited", `Somebody changed the DAG file ${given.path} by hand.${unknown} It goes on running; saving this form writes it anew.`);
}
