/* Manage DAGs: reads the files and their states, keeps them fresh while the page is looked at, wires up its parts. */

import { ApiError, get, page } from "../common/api.js";
import { copyExamples, newFile, removeFiles, renameFile } from "./actions.js";
import { List } from "./list.js";
import { downloadOf, editorAt, folderOf } from "./rows.js";
import { Search } from "./search.js";
import { uploads } from "./upload.js";
import { notice } from "../common/dialog.js";
import { el } from "../common/dom.js";

const root = document.getElementById("dags");
const data = root.dataset;
const may = JSON.parse(data.may);
const INTERVAL = 2500;
const WHILE_WAITING = 700; // files were saved, and Airflow is about to have read them
const AFTER_ERROR = 10000;

let digest = "";
let timer = 0;
let failing = false;

const list = new List(document.getElementById("list"), {
  may, airflow: data.airflow, folder: data.folder,
  rename: (path) => renameFile(path, { done }),
  remove: (paths) => removeFiles(paths, { done }),
  changed: selection,
});

function selection() {
  const count = list.selected.size;
  document.getElementById("selection").hidden = count === 0;
  document.getElementById("selection-text").textContent = count === 1 ? "1 file selected" : `${count.toLocaleString("en")} files selected`;
}

/** Read the files; the server sends them only if something is new. */
async function read() {
  clearTimeout(timer);
  try {
    const answer = await get(`${page("/manage-dags/files")}?${new URLSearchParams({ known: digest })}`);
    if (!answer.same) show(answer);
    if (failing) document.getElementById("stale").hidden = true;
    failing = false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failing = true;
    const stale = document.getElementById("stale");
    stale.hidden = false;
    stale.textContent = error.status === 401 ? "Your login has expired: what you see may be old. Reload the page." : `What you see may be old: ${error.message}`;
  }
  schedule();
}

/** Whether a file that was saved in the last minute has not been parsed yet. */
function waiting() {
  const recent = (file) => file.changed && Date.now() - Date.parse(file.changed.when) < 60_000;
  return list.files.some((file) => file.state === "waiting" && recent(file));
}

function schedule() {
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(read, failing ? AFTER_ERROR : waiting() ? WHILE_WAITING : INTERVAL);
}

function show(answer) {
  digest = answer.digest;
  document.getElementById("loading").hidden = true;
  document.getElementById("empty").hidden = answer.files.length > 0;
  document.getElementById("tools").hidden = answer.files.length === 0;
  list.update(answer.files);
  if (!answer.files.length) list.box.hidden = true;
  document.getElementById("drafts").hidden = answer.drafts.length === 0;
  const links = answer.drafts.map((path) => el("a", { href: editorAt(path) }, path));
  document.getElementById("drafts-list").replaceChildren(...links.flatMap((link, index) => (index ? [", ", link] : [link])));
  tellErrors();
  root.dataset.ready = "true";
}

function tellErrors() {
  const errors = list.inFolders().filter((file) => file.state === "error").length;
  const told = document.getElementById("errors");
  told.hidden = errors === 0;
  told.textContent = errors === 1 ? "1 import error" : `${errors} import errors`;
}

/** Something was saved: say it, with what the gate warned of, and show it. */
function done(saved) {
  const warnings = saved.problems.filter((problem) => problem.level !== "note").length;
  const words = saved.overridden ? " in spite of errors" : warnings ? `, with ${warnings === 1 ? "1 warning" : `${warnings} warnings`}` : "";
  notice(saved.unchanged ? "Nothing changed by it." : `Saved${words}: ${saved.message.split("\n")[0]}`, saved.overridden ? "info" : "ok");
  list.selected.clear();
  if (list.own && !saved.paths.every((path) => list.isOwn(path))) list.setOwn(false);
  list.reveal(saved.paths);
  read();
}

document.addEventListener("visibilitychange", () => (document.visibilityState === "visible" ? read() : clearTimeout(timer)));

const filter = document.getElementById("filter");
filter.addEventListener("input", () => list.setFilter(filter.value));
document.getElementById("errors").addEventListener("click", () => {
  list.sort = { key: "state", down: false };
  list.setMode("list");
});

const contents = document.getElementById("search-contents");
new Search(contents, document.getElementById("matches"));
document.getElementById("search-toggle").addEventListener("click", (event) => {
  const panel = document.getElementById("search-panel");
  panel.hidden = !panel.hidden;
  event.currentTarget.setAttribute("aria-expanded", String(!panel.hidden));
  if (!panel.hidden) contents.elements.text.focus();
});

const chosen = () => [...list.selected];
document.getElementById("selection-download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = downloadOf(chosen());
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
});
document.getElementById("selection-delete")?.addEventListener("click", () => removeFiles(chosen(), { done }));
document.getElementById("selection-clear").addEventListener("click", () => list.select(chosen(), false));

for (const button of document.querySelectorAll("[data-scope]")) button.addEventListener("click", tellErrors);

const folder = data.folder;
const folders = () => {
  const all = new Set(folder ? [folder] : []);
  for (const file of list.files) for (let path = folderOf(file.path); path; path = folderOf(path)) all.add(path);
  return [...all].sort();
};

for (const button of document.querySelectorAll("[data-new]")) button.addEventListener("click", () => newFile({ folders: folders(), folder }));
for (const button of document.querySelectorAll("[data-examples]")) button.addEventListener("click", () => copyExamples({ folders: folders(), folder, user: data.user, done }));
if (may.create) uploads({ limits: JSON.parse(data.limits), folders, folder, done });

read();
if (may.create && data.example) {
  history.replaceState(null, "", page("/manage-dags/")); // a reload does not ask again
  copyExamples({ folders: folders(), folder, user: data.user, done, chosen: data.example });
}
