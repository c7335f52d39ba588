/* One line of Manage DAGs: a file with its DAGs, state and actions, or a folder of the tree. */

import { page } from "../common/api.js";
import { el, icon, iconButton } from "../common/dom.js";
import { localTimes } from "../common/page.js";

const KINDS = { py: "Module", sql: "SQL", yaml: "YAML", yml: "YAML", json: "JSON", md: "Markdown", ipynb: "Notebook", sh: "Shell", txt: "Text" };

export const name = (path) => path.slice(path.lastIndexOf("/") + 1);
export const folderOf = (path) => path.slice(0, Math.max(path.lastIndexOf("/"), 0));
export const editorAt = (path, line) => `${page("/dag-editor/")}?${new URLSearchParams({ path })}${line ? `#L${line}` : ""}`;
export const historyOf = (path) => `${page("/dag-history/")}?${new URLSearchParams({ path })}`;
export const downloadOf = (paths) => `${page("/manage-dags/download")}?${new URLSearchParams(paths.map((path) => ["path", path]))}`;

/** The word for what a file is when it has no DAG. */
export function kind(file) {
  const suffix = /\.([^./]+)$/.exec(name(file.path))?.[1].toLowerCase();
  return KINDS[suffix] ?? (suffix ? `.${suffix}` : "File");
}

const badge = (text, look = "") => el("span", { class: `badge ${look}` }, text);

function dagLinks(file, airflow) {
  return file.dags.map(({ id }) =>
    el("a", { class: "dag-link break", "data-airflow": true, href: `${airflow}dags/${encodeURIComponent(id)}`, title: `Open ${id} in Airflow` }, id),
  );
}

function paused(file) {
  const count = file.dags.filter((dag) => dag.paused).length;
  if (!count) return null;
  return badge(count === file.dags.length ? "Paused" : `${count} of ${file.dags.length} paused`, "badge-warn");
}

function state(file, list) {
  if (file.state === "error") {
    const open = list.opened.has(file.path);
    const text = file.error_line ? `Import error, line ${file.error_line}` : "Import error";
    return el(
      "button",
      { type: "button", class: "badge badge-error state-button", "aria-expanded": String(open), onclick: () => list.toggleError(file), "data-control": "error" },
      text,
    );
  }
  if (file.state === "waiting") return badge("Waiting to be parsed", "badge-info");
  if (file.state === "parsed") return badge("Parsed", "badge-ok");
  return el("span", { class: "muted" }, kind(file));
}

function change(file) {
  if (!file.changed) return el("span", { class: "muted" }, "–");
  const { when, author, message } = file.changed;
  const node = el(
    "span", {},
    el("span", { class: "nowrap" }, el("time", { datetime: when }, when)), " ",
    el("span", { class: "muted" }, `by ${author}`),
    el("span", { class: "change-message muted small", title: message }, message.split("\n")[0]),
  );
  localTimes(node);
  return node;
}

const linkButton = (symbol, label, href, more = {}) =>
  el("a", { class: "btn btn-icon", href, title: label.split(" ")[0], "aria-label": label, ...more }, icon(symbol));

function actions(file, list) {
  const { may } = list;
  const writable = !file.submodule;
  const path = file.path;
  return [
    file.editable ? linkButton(may.edit && writable ? "edit" : "eye", `${may.edit && writable ? "Edit" : "View"} ${path}`, editorAt(path), { "data-control": "edit" }) : null,
    linkButton("history", `History of ${path}`, historyOf(path), { "data-control": "history" }),
    linkButton("download", `Download ${path}`, downloadOf([path]), { download: name(path), "data-control": "download" }),
    may.rename && writable ? button("rename", "Rename", path, () => list.rename(path)) : null,
    may.delete && writable ? button("trash", "Delete", path, () => list.remove([path]), "btn-danger") : null,
  ];
}

function button(symbol, word, path, onclick, look = "") {
  const node = iconButton(symbol, `${word} ${path}`, onclick, look);
  node.title = word;
  node.dataset.control = word;
  return node;
}

function selector(label, { checked, mixed = false, onchange }) {
  const box = el("input", { type: "checkbox", "aria-label": label, onchange, "data-control": "select" });
  box.checked = checked;
  box.indeterminate = mixed;
  return el("td", { class: "select" }, box);
}

/** <tr> of a file; `depth` indents its name in the tree, null shows the whole path. */
export function fileRow(file, list, depth) {
  const shown = depth === null ? file.path : name(file.path);
  const title = file.editable
    ? el("a", { href: editorAt(file.path), "data-control": "name" }, shown)
    : el("span", {}, shown);
  return el(
    "tr", { "data-path": file.path },
    selector(`Select ${file.path}`, {
      checked: list.selected.has(file.path),
      onchange: (event) => list.select([file.path], event.target.checked),
    }),
    el(
      "th", { scope: "row", class: `name break depth-${Math.min(depth ?? 0, 8)}` },
      title,
      file.draft ? el("a", { class: "badge badge-warn draft", href: editorAt(file.path) }, "Draft") : null,
      file.submodule ? el("span", { class: "badge", title: `Of the submodule ${file.submodule}; change it in its own repository.` }, "Read-only") : null,
    ),
    el("td", { "data-label": "DAGs" }, el("div", { class: "dag-links" }, ...dagLinks(file, list.airflow))),
    el("td", { "data-label": "State" }, el("div", { class: "states" }, state(file, list), paused(file))),
    el("td", { "data-label": "Owner", class: "break" }, file.owner),
    el("td", { "data-label": "Last change" }, change(file)),
    el("td", { class: "actions" }, ...actions(file, list)),
  );
}

/** <tr> of a folder: `folder` has path, count, errors, open, depth, paths. */
export function folderRow(folder, list) {
  const chosen = folder.paths.filter((path) => list.selected.has(path)).length;
  const label = `${folder.open ? "Close" : "Open"} the folder ${folder.path}`;
  const writable = folder.writable;
  return el(
    "tr", { class: "folder", "data-path": `${folder.path}/` },
    selector(`Select the folder ${folder.path}`, {
      checked: chosen > 0 && chosen === folder.paths.length,
      mixed: chosen > 0 && chosen < folder.paths.length,
      onchange: (event) => list.select(folder.paths, event.target.checked),
    }),
    el(
      "th", { scope: "row", class: `name break depth-${Math.min(folder.depth, 8)}` },
      el(
        "button",
        { type: "button", class: "folder-button", "aria-expanded": String(folder.open), "aria-label": label, onclick: () => list.toggleFolder(folder.path), "data-control": "toggle" },
        el("span", { class: "twist", "aria-hidden": "true" }), name(folder.path),
      ),
    ),
    el(
      "td", { colspan: "4", class: "muted" },
      folder.count === 1 ? "1 file" : `${folder.count} files`,
      folder.errors ? el("span", { class: "badge badge-error folder-errors" }, folder.errors === 1 ? "1 import error" : `${folder.errors} import errors`) : null,
    ),
    el(
      "td", { class: "actions" },
      linkButton("download", `Download the folder ${folder.path}`, downloadOf([folder.path]), { download: `${name(folder.path)}.zip`, "data-control": "download" }),
      list.may.rename && writable ? button("rename", "Rename", `the folder ${folder.path}`, () => list.rename(folder.path)) : null,
      list.may.delete && writable ? button("trash", "Delete", `the folder ${folder.path}`, () => list.remove(folder.paths), "btn-danger") : null,
    ),
  );
}

/** <tr> below a file with the traceback of its import error. */
export function errorRow(file, text) {
  return el(
    "tr", { class: "error-row", "data-path": `${file.path}#error` },
    el(
      "td", { colspan: "7" },
      el("div", { class: "bar" },
        el("strong", { class: "grow break" }, `Airflow cannot import ${file.path}`),
        file.error_line ? el("a", { class: "btn btn-small", href: editorAt(file.path, file.error_line) }, icon("edit"), `Open line ${file.error_line}`) : null),
      el("pre", { class: "code code-wrap traceback", tabindex: "0", "aria-label": `Traceback of ${file.path}` }, text),
    ),
  );
}
