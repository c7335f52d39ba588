/* The editor of the Spark configuration: rows, checks while typing, review, save, conflicts, and a draft that survives. */

import { page, post } from "../common/api.js";
import { copy } from "../common/copy.js";
import { confirm, notice } from "../common/dialog.js";
import { makeDraft } from "../common/draft.js";
import { ready } from "../common/form.js";
import { conflict, reviewChanges } from "./changes.js";
import { FileRow } from "./files.js";
import { failure, outdated, tell } from "./messages.js";
import { offerCheck } from "./preflight.js";
import { ValueRow } from "./values.js";

const form = document.getElementById("configuration");
const given = JSON.parse(form.dataset.state);
const secret = new RegExp(given.secret, "i");
const draftStore = makeDraft("spark-configuration", given.user);
const SECTIONS = ["arguments", "configurations", "jars", "py_files"];
const CHECK_DELAY = 250;

const rows = Object.fromEntries(SECTIONS.map((section) => [section, []]));
let base = given.saved.base;
let saved = "";
let message = "";
let timer = 0;
let asked = 0;

const box = (section) => form.querySelector(`[data-section="${section}"]`);
const each = () => SECTIONS.flatMap((section) => rows[section]);

const editor = {
  files: given.files,
  isSecret: (name) => secret.test(name),
  names: (section, except) => new Set(rows[section].filter((row) => row !== except).map((row) => row.title())),
  changed() {
    arrange();
    keepDraft();
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_DELAY);
  },
  remove(row) {
    const list = rows[row.section];
    const index = list.indexOf(row);
    list.splice(index, 1);
    row.node.remove();
    (list[Math.min(index, list.length - 1)]?.remover ?? box(row.section).querySelector("[data-add]")).focus();
    editor.changed();
  },
  move(row, step) {
    const list = rows[row.section];
    const index = list.indexOf(row);
    list.splice(index, 1);
    list.splice(index + step, 0, row);
    editor.changed();
    const button = step < 0 ? row.up : row.down;
    (button.disabled ? row.remover : button).focus();
  },
};

const make = (section, data) =>
  section === "jars" || section === "py_files" ? new FileRow(editor, section, data) : new ValueRow(editor, section, data);

/** Put nodes, labels and the empty state in line with the rows. */
function arrange() {
  for (const section of SECTIONS) {
    const nodes = rows[section].map((row) => row.node);
    const list = box(section).querySelector(".entries");
    if (nodes.length !== list.children.length || nodes.some((node, index) => list.children[index] !== node)) {
      list.replaceChildren(...nodes);
    }
    rows[section].forEach((row, index) => row.label(index + 1, nodes.length));
    box(section).querySelector(".entries-empty").hidden = nodes.length > 0;
  }
  document.getElementById("unsaved").hidden = !isChanged();
}

/** Fill the page from rows as the server sends them; secrets that were typed are taken from where they were. */
function load(data) {
  const typed = new Map(rows.configurations.filter((row) => row.kept === null).map((row) => [row.title(), row.value.value]));
  for (const section of SECTIONS) {
    rows[section] = data[section].map((item) =>
      make(section, item.typed && typed.has(item.name) ? { ...item, kept: null, value: typed.get(item.name) } : item),
    );
  }
  base = data.base;
  arrange();
}

const filled = (section) => rows[section].filter((row) => !row.blank());
const payload = () => ({
  base, ...Object.fromEntries(SECTIONS.map((section) => [section, filled(section).map((row) => row.payload())])),
});
const comparable = () => JSON.stringify({ ...payload(), base: null });
const isChanged = () => comparable() !== saved;

/** What was typed outlives a reload and an expired login; secrets are left out. */
function keepDraft() {
  const lists = SECTIONS.map((section) => [section, filled(section).map((row) => row.stored())]);
  draftStore.keep(isChanged() ? { base, message, ...Object.fromEntries(lists) } : null);
}

/* Checks. */
function place(remarks, options) {
  const at = new Map(each().map((row) => [row, []]));
  for (const remark of remarks) at.get(filled(remark.section)[remark.row])?.push(remark);
  for (const [row, list] of at) {
    if (row.lost) list.splice(0, list.length, { part: "value", level: "error", message: "Type the secret again: it is not kept over a reload." });
    row.tell(list, options);
  }
}

/** Ask the server about what is typed; resolves to its answer, null if there is none or a newer question. */
async function check({ now = false } = {}) {
  clearTimeout(timer);
  const mine = (asked += 1);
  const typed = comparable();
  try {
    const answer = await post(page("/spark-configuration/check"), payload());
    if (mine !== asked) return null;
    if (typed === comparable()) place(answer.remarks, { now });
    document.getElementById("command").textContent = answer.command;
    const count = answer.changes.length;
    document.getElementById("unsaved-text").textContent = count === 1 ? "1 unsaved change" : `${count} unsaved changes`;
    tell("outdated", answer.newest === base ? null : () => outdated(settle));
    tell("failed", null);
    return answer;
  } catch (error) {
    if (mine === asked) tell("failed", () => failure(error, retry));
    return null;
  }
}

const retry = () => check({ now: true });
const wrongRow = () => each().find((row) => row.remarks.some((remark) => remark.level === "error"));

/* Review and save. */
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await check({ now: true });
  if (!answer) return;
  if (wrongRow()) {
    wrongRow().focus();
    return;
  }
  if (!answer.changes.length) return settled(given.saved);
  const decision = await reviewChanges(answer.changes, message);
  message = decision.message;
  if (decision.saved) await save();
  else keepDraft();
});

async function save() {
  try {
    const answer = await post(page("/spark-configuration/save"), { ...payload(), message });
    if (!answer.saved) {
      place(answer.remarks, { now: true });
      return wrongRow()?.focus();
    }
    settled(answer.saved);
    const moment = new Date().toLocaleString("sv-SE");
    document.getElementById("saved-by").textContent = `Last saved by ${given.user}, ${moment}.`;
    notice("Saved. Jobs that start from now on use it.");
  } catch (error) {
    if (error.status === 409) return settle();
    tell("failed", () => failure(error, retry));
    keepDraft();
  }
}

/** Start over from a saved version. */
function settled(data) {
  given.saved = data;
  message = "";
  load(data);
  saved = comparable();
  draftStore.keep(null);
  arrange();
  check();
}

/** Show what somebody else saved meanwhile, and carry over or drop what was typed. */
async function settle() {
  try {
    const answer = await post(page("/spark-configuration/carry"), payload());
    const decision = await conflict(answer);
    if (!decision) return;
    Object.assign(editor.files, answer.files);
    const typed = rows.configurations;
    settled(answer.saved);
    if (decision === "drop") return;
    rows.configurations = typed;
    load(answer.rows);
    keepDraft();
    form.requestSubmit();
  } catch (error) {
    tell("failed", () => failure(error, retry));
  }
}

document.getElementById("discard").addEventListener("click", async () => {
  const title = "Discard your changes?";
  if (await confirm({ title, text: "The page goes back to what is saved.", action: "Discard", danger: true })) settled(given.saved);
});

document.getElementById("copy").addEventListener("click", ({ currentTarget }) =>
  copy(document.getElementById("command").textContent, currentTarget),
);

offerCheck(document.getElementById("preflight"), document.getElementById("checks"));

for (const section of SECTIONS) {
  box(section).querySelector("[data-add]").addEventListener("click", () => {
    const row = rows[section].find((present) => present.blank()) ?? make(section);
    if (!rows[section].includes(row)) rows[section].push(row);
    arrange();
    row.node.scrollIntoView({ block: "nearest" });
    row.name.focus();
  });
}

/* Start: what is saved, over it the draft of this tab or the version to restore. */
load(given.saved);
saved = comparable();
const draft = draftStore.read();
const url = new URL(location.href);
if (given.restore) {
  history.replaceState(null, "", url.pathname);
  const keep = draft && !(await confirm({
    title: "Replace your unsaved changes?", text: "You have unsaved changes on this page.", action: "Replace", danger: true,
  }));
  load(keep ? draft : given.restore);
  if (!keep) message = "Restore an earlier version";
} else if (draft) {
  load(draft);
  message = draft.message ?? "";
  notice("Your unsaved changes are back.", "info");
}
arrange();
keepDraft();
ready(form);
if (given.restore) form.requestSubmit();
else check({ now: true });
