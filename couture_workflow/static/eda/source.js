/* The form of a source: where the data is, how it is read, a preview that follows, and the save. */

import { ApiError, api, del, get, post, put, upload } from "../common/api.js";
import { ask, confirm, notice } from "../common/dialog.js";
import { el, freshId, waiting } from "../common/dom.js";
import { listenForFiles, whenChosen } from "../common/drop.js";
import { Form, ready } from "../common/form.js";
import { Question } from "../common/question.js";
import { review } from "../common/review.js";
import { tooLarge, uploaded } from "../common/sizes.js";
import { changesTable } from "../spark/changes.js";
import { Preview } from "./preview.js";
import { Reading } from "./reading.js";
import "./runs.js";
import { attachSpark, clock } from "./spark.js";
import { attachSqlTree } from "./sql-tree.js";

const form = document.getElementById("source");
const { source, base, writes, rights } = JSON.parse(form.dataset.state);
const byId = (id) => document.getElementById(id);
const address = (name, more = "") => api(`/eda/sources/${encodeURIComponent(name)}${more}`);
const pageOf = (name) => form.dataset.source.replace(/x$/, encodeURIComponent(name));

const places = [...form.querySelectorAll("[id^='source-'][id$='-error']")].map(({ id }) => id.slice(7, -6));
const kept = writes ? new Form({ fields: places, prefix: "source-", state: "source-state" }) : null;
const fieldOf = (name) => (name ?? "").replaceAll(".", "-");

const reading = new Reading(form, source.file ?? { format: "auto", reading: {} });
const preview = new Preview({
  box: byId("preview"),
  types: byId("preview").dataset.types.split("|"),
  sensitive: source.sensitive,
  chosen: source.file?.reading.types ?? {},
  writes,
  changed: ({ again }) => {
    kept?.changed();
    if (again) look.soon();
  },
});

let message = "";
let chosenName = base === null && source.name === "" ? "" : source.name;

const kind = () => form.elements.kind.value;
/* A number that the browser cannot read is an empty text to it; the server says what is wrong. */
const textOf = (field) => (field.validity.badInput ? "?" : field.value);
const number = (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text.trim());

/* name=value a line; blanks of a value belong to it: a delimiter may be one. */
function pairs(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)).map(([name, value = ""]) => [name.trim(), value]));
}

const special = {
  limit: (text) => (text.trim() ? number(text) : null),
  options: pairs,
};

function place() {
  if (kind() === "file") {
    const { format, reading: found } = reading.value();
    const { types } = preview.value();
    const all = Object.keys(types).length ? { ...found, types } : found;
    return { data: form.elements.data.value.trim(), path: form.elements.path.value.trim(), format, reading: all };
  }
  const prefix = `${kind()}_`;
  const mine = [...form.elements].filter(({ name, type, checked }) => name?.startsWith(prefix) && (type !== "radio" || checked));
  return Object.fromEntries(
    mine.map((field) => [field.name.slice(prefix.length), (special[field.name.slice(prefix.length)] ?? String)(textOf(field))]),
  );
}

function typed() {
  const { description, tags, sample_rows: sample, name } = form.elements;
  return {
    name: name ? name.value.trim() : source.name,
    description: description.value,
    tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
    sensitive: preview.value().sensitive,
    kind: kind(),
    sample_rows: number(textOf(sample)),
    [kind()]: place(),
  };
}

/* What is asked for a preview does not depend on the name, which may be missing still. */
function previewed() {
  if (!rights.create) return get(address(source.name, "/preview"));
  const { name, tags, description, ...rest } = typed();
  return post(api("/eda/preview"), { ...rest, name: base === null ? "new" : source.name });
}

const state = byId("preview-state");
const nowhere = () => kind() === "file" && !form.elements.data.value.trim() && !form.elements.path.value.trim();

let stopClock = () => {};

function still() {
  stopClock();
  for (const place of [state, byId("preview-clock")]) place.textContent = "";
}

const look = new Question({
  pause: 600,
  ask: () => {
    kept?.clear();
    stopClock();
    state.textContent = "Reading…";
    if (kind() === "spark") stopClock = clock(byId("preview-clock"), { most: 150 });
    return previewed();
  },
  show: (result) => {
    still();
    if (kind() === "file") reading.tell({ ...result.reading });
    preview.show(result, { typed: kind() === "file" && result.reading?.format !== "parquet", lines: kind() !== "sql" });
  },
  failed: (error) => {
    still();
    reading.tell({});
    preview.fail(error.message);
    kept?.wrong(fieldOf(error.field), error.message, { show: false });
  },
});

function follow() {
  for (const box of form.querySelectorAll("[data-kind]")) box.hidden = box.dataset.kind !== kind();
  if (nowhere()) {
    look.forget();
    still();
    byId("preview").replaceChildren(el("p", { class: "muted" }, "Choose or upload a file: its first rows are shown here."));
  } else if (kind() === "file") look.soon();
  else {
    look.forget();
    still();
    const what = kind() === "sql" ? "the database" : "the cluster; it starts Spark, which takes half a minute";
    byId("preview").replaceChildren(el("p", { class: "muted" }, `Press Preview to ask ${what}.`));
  }
}

const silent = new Set(["name", "tags", "description", "sample_rows"]);

form.addEventListener("input", ({ target }) => {
  if (!target.name || byId("preview").contains(target)) return;
  kept?.changed();
  if (!silent.has(target.name)) follow();
});
byId("preview-now").addEventListener("click", () => look.now());

function refused(error) {
  kept.tell("Not saved: correct what is marked.");
  if (!kept.wrong(fieldOf(error.field), error.message)) notice(error.message, "error");
}

async function told(work) {
  kept.clear();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refused(error);
    return null;
  }
}

async function add() {
  const body = typed();
  const answer = await told(() => post(api("/eda/sources"), body));
  if (!answer) return;
  kept.saved();
  window.location.assign(pageOf(answer.name));
}

function differences({ changes, theirs }) {
  if (!theirs.length) return [changesTable(changes, { label: "Changes" })];
  return [
    el("p", { class: "alert alert-warn", role: "alert" }, "Somebody saved this source after you opened it. Nothing of yours is lost. Saving puts yours in place of theirs."),
    el("h3", {}, "What they changed"),
    changesTable(theirs, { label: "What they changed" }),
    el("h3", {}, "What yours changes in it"),
    changesTable(changes, { label: "Changes", heads: ["Theirs", "Yours"] }),
  ];
}

async function save() {
  const body = typed();
  const found = await told(() => post(address(source.name, `/changes?${new URLSearchParams({ base })}`), body));
  if (!found) return;
  const done = await review({
    title: "Review changes",
    content: differences(found),
    message,
    placeholder: "Why",
    save: (why) => put(address(source.name, `?${new URLSearchParams({ message: why })}`), body, { "If-Match": `"${found.commit}"` }),
    explain: (error) => (error.code === "conflict" ? `${error.message} Press Back, then Review & Save again.` : error.message),
  });
  message = done.message;
  if (!done.saved) return;
  kept.saved();
  window.location.assign(pageOf(source.name));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!kept) return;
  await waiting(form.querySelector("button[type=submit]"), base === null ? add : save);
});

async function send(file) {
  const { suffixes, mostBytes } = form.dataset;
  const bar = byId("upload-progress");
  const line = byId("upload-state");
  const known = suffixes.split(" ");
  const wrong = known.some((end) => file.name.toLowerCase().endsWith(end)) ? tooLarge("The file has", file.size, Number(mostBytes)) : `The name must end in one of ${known.join(", ")}.`;
  if (wrong) {
    line.textContent = `${file.name}: ${wrong}`;
    return;
  }
  bar.hidden = false;
  const progress = (sent, total) => {
    bar.value = total ? sent / total : 1;
    line.textContent = `${file.name}: ${uploaded(sent, total)}`;
  };
  try {
    const { name, version } = await upload(api(`/eda/data/${encodeURIComponent(file.name)}`), file, progress);
    line.textContent = `Uploaded as version ${version} of ${name}`;
    form.elements.data.value = name;
    form.elements.path.value = "";
    form.querySelector("[name=kind][value=file]").checked = true;
    if (base === null && form.elements.name.value.trim() === chosenName) {
      chosenName = name.replace(/(\.(csv|tsv|txt|json|jsonl|ndjson|parquet))?(\.(gz|zst))?$/i, "") || name;
      form.elements.name.value = chosenName;
    }
    kept?.changed();
    follow();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    line.textContent = `${file.name}: ${error.message}`;
  } finally {
    bar.hidden = true;
  }
}

if (byId("choose")) {
  const take = (files) => files.length === 1 ? send(files[0]) : notice("A source reads one file. Choose one.", "error");
  whenChosen(byId("choose"), take);
  listenForFiles(take);
}

byId("rename")?.addEventListener("click", async () => {
  if (kept?.dirty) {
    notice("Save what you typed first, or reload the page to drop it: a rename leaves this page.", "error");
    return;
  }
  const input = el("input", { id: freshId("rename"), maxlength: "200", autocomplete: "off", spellcheck: "false", class: "mono" });
  input.value = source.name;
  const content = [el("div", { class: "field" }, el("label", { for: input.id }, "New name"), input), el("p", { class: "help" }, "Its outputs and its schedule go with it. A source that DAG files or tasks name cannot be renamed.")];
  const buttons = [{ label: "Cancel" }, { label: "Rename", value: "rename", look: "btn-primary" }];
  while ((await ask({ title: `Rename ${source.name}`, content, buttons, focus: input })) === "rename") {
    try {
      const { name } = await post(address(source.name, "/rename"), { name: input.value.trim() });
      window.location.assign(pageOf(name));
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notice(error.message, "error");
    }
  }
});

async function remove(users) {
  const question = users.length
    ? { title: `${source.name} is in use`, text: "Their runs will fail. Outputs and schedule go with it. Used by:", details: users, action: "Delete all the same", danger: true }
    : { title: `Delete ${source.name}?`, text: "Its outputs and its schedule go with it. Its settings can be brought back from the history.", action: "Delete", danger: true };
  if (!(await confirm(question))) return;
  try {
    await del(address(source.name, users.length ? "?force=true" : ""));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "in_use" && error.body.users?.length) await remove(error.body.users);
    else notice(error.message, "error");
    return;
  }
  kept?.saved();
  window.location.assign(byId("delete").dataset.list);
}

/* Who names the source is looked for after the page is there: DAG files are read for it. */
const users = base === null ? Promise.resolve([]) : get(address(source.name)).then((answer) => answer.used_by);
users.then(
  (found) => byId("used-by")?.replaceChildren(found.length ? el("ul", {}, ...found.map((user) => el("li", {}, user))) : "No DAG file and no task names it."),
  (error) => byId("used-by")?.replaceChildren(error.message),
);

byId("delete")?.addEventListener("click", async () => remove(await users.catch(() => [])));

if (!writes) for (const field of form.querySelectorAll("input, select, textarea")) field.disabled = true;
attachSpark(form);
attachSqlTree(form);
follow();
ready(form);
if (form.dataset.restored === "yes") kept?.changed();
