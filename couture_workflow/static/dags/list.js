/* The files of Manage DAGs as tree or list: sorted, filtered, selected, drawn a part at a time, kept up to date. */

import { ApiError, get, page } from "../common/api.js";
import { notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { errorRow, fileRow, folderOf, folderRow } from "./rows.js";

const PART = 150;
const ALL_FOLDERS = "couture.manage-dags.all-folders"; // of this window: each new one begins in the person's own folder
const ORDER = { error: 0, waiting: 1, parsed: 2, none: 3 };
const KEYS = {
  path: (file) => file.path,
  dags: (file) => (file.dags.length ? file.dags.map((dag) => dag.id).join(" ") : "\uffff"),
  state: (file) => `${ORDER[file.state]} ${file.path}`,
  owner: (file) => file.owner || "\uffff",
  changed: (file) => file.changed?.when ?? "",
};

const stored = (key, fallback) => {
  try {
    return JSON.parse(localStorage.getItem(`couture.manage-dags.${key}`)) ?? fallback;
  } catch {
    return fallback;
  }
};
const store = (key, value) => localStorage.setItem(`couture.manage-dags.${key}`, JSON.stringify(value));

export class List {
  /**
   * `box`: the element with the table; `folder`: the person's own, "" for none; `actions`: { rename(path),
   * remove(paths) }; `changed()`: the selection did.
   */
  constructor(box, { may, airflow, folder, rename, remove, changed }) {
    Object.assign(this, { box, may, airflow, folder, rename, remove, changed });
    this.files = [];
    this.selected = new Set();
    this.opened = new Map(); // path of a file with an import error -> its traceback, "" while it is read
    this.mode = stored("mode", "tree");
    this.open = new Set(stored("open", []));
    this.sort = stored("sort", { key: "path", down: false });
    this.filter = "";
    this.own = folder !== "" && sessionStorage.getItem(ALL_FOLDERS) === null;
    if (this.own) this.reveal([`${folder}/`]);
    this.shown = PART;
    this.rows = new Map();
    this.body = box.querySelector("tbody");
    this.more = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.grow());
    this.more.observe(document.getElementById("more"));
    for (const button of box.querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => this.sortBy(button.dataset.sort));
    }
    for (const button of document.querySelectorAll("[data-mode]")) {
      button.addEventListener("click", () => this.setMode(button.dataset.mode));
    }
    for (const button of document.querySelectorAll("[data-scope]")) {
      button.addEventListener("click", () => this.setOwn(button.dataset.scope === "own"));
    }
    document.getElementById("select-all").addEventListener("change", (event) =>
      this.select(this.visible().map((file) => file.path), event.target.checked),
    );
    box.addEventListener("keydown", (event) => this.move(event));
  }

  setMode(mode) {
    this.mode = mode;
    store("mode", mode);
    this.restart();
  }

  /** Show the files of the person's own folder only, or those of all folders. */
  setOwn(own) {
    this.own = own;
    if (own) {
      sessionStorage.removeItem(ALL_FOLDERS);
      this.reveal([`${this.folder}/`]);
      for (const path of this.selected) if (!this.isOwn(path)) this.selected.delete(path); // nothing unseen is deleted
    } else sessionStorage.setItem(ALL_FOLDERS, "yes");
    this.restart();
    this.changed();
  }

  isOwn(path) {
    return path.startsWith(`${this.folder}/`);
  }

  sortBy(key) {
    this.sort = { key, down: this.sort.key === key ? !this.sort.down : key === "changed" };
    store("sort", this.sort);
    this.restart();
  }

  setFilter(text) {
    this.filter = text.trim().toLowerCase();
    this.restart();
  }

  restart() {
    this.shown = PART;
    this.draw();
  }

  update(files) {
    this.files = files;
    const present = new Set(files.map((file) => file.path));
    for (const path of this.selected) if (!present.has(path)) this.selected.delete(path);
    this.draw();
    this.changed();
  }

  /** The files of the folders that are shown. */
  inFolders() {
    return this.own ? this.files.filter((file) => this.isOwn(file.path)) : this.files;
  }

  /** The files that the search leaves of them. */
  visible() {
    const words = this.filter.split(/\s+/).filter(Boolean);
    const text = (file) => `${file.path} ${file.dags.map((dag) => dag.id).join(" ")} ${file.owner}`.toLowerCase();
    const files = this.inFolders();
    return words.length ? files.filter((file) => words.every((word) => text(file).includes(word))) : files;
  }

  select(paths, on) {
    for (const path of paths) {
      if (on) this.selected.add(path);
      else this.selected.delete(path);
    }
    this.draw();
    this.changed();
  }

  toggleFolder(path) {
    if (!this.open.delete(path)) this.open.add(path);
    store("open", [...this.open].slice(-500));
    this.draw();
  }

  /** Open the folders of these files, for they have just been saved. */
  reveal(paths) {
    for (const path of paths.slice(0, PART)) for (let folder = folderOf(path); folder; folder = folderOf(folder)) this.open.add(folder);
    store("open", [...this.open].slice(-500));
  }

  async toggleError(file) {
    if (this.opened.delete(file.path)) return this.draw();
    this.opened.set(file.path, "Reading…");
    this.draw();
    try {
      const { error } = await get(`${page("/manage-dags/error")}?${new URLSearchParams({ path: file.path })}`);
      this.opened.set(file.path, error || "The error is gone: the file was parsed again.");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.opened.delete(file.path);
      notice(error.message, "error");
    }
    this.draw();
  }

  /** What is to be drawn, in order: { key, sign, make } for a file, a folder or a traceback. */
  items() {
    const files = this.visible();
    const items = [];
    if (this.mode === "list") {
      for (const file of this.sorted(files)) this.addFile(items, file, null);
    } else this.addFolder(items, folders(files), 0);
    return items;
  }

  sorted(files) {
    const key = KEYS[this.sort.key] ?? KEYS.path;
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;
    const sorted = files.map((file) => [key(file), file]).sort((one, other) => compare(one[0], other[0])).map((pair) => pair[1]);
    return this.sort.down ? sorted.reverse() : sorted;
  }

  addFile(items, file, depth) {
    const open = this.opened.has(file.path) && file.state === "error";
    const sign = JSON.stringify([file, depth, this.selected.has(file.path), open]);
    items.push({ key: file.path, sign, make: () => fileRow(file, this, depth) });
    if (!open) return;
    const text = this.opened.get(file.path);
    items.push({ key: `${file.path}#error`, sign: `${file.error_line} ${text}`, make: () => errorRow(file, text) });
  }

  addFolder(items, node, depth) {
    for (const child of node.children.values()) {
      const open = this.filter !== "" || this.open.has(child.path);
      const folder = {
        path: child.path, depth, open, paths: child.files.map((file) => file.path), count: child.files.length,
        errors: child.files.filter((file) => file.state === "error").length,
        writable: !child.files.some((file) => file.submodule),
      };
      const chosen = folder.paths.filter((path) => this.selected.has(path)).length;
      items.push({ key: `${child.path}/`, sign: JSON.stringify([folder, chosen]), make: () => folderRow(folder, this) });
      if (open) this.addFolder(items, child, depth + 1);
    }
    for (const file of node.own) this.addFile(items, file, depth);
  }

  grow() {
    if (this.shown >= this.total) return;
    this.shown += PART;
    this.draw();
  }

  draw() {
    const items = this.items();
    this.total = items.length;
    const kept = new Map();
    const nodes = items.slice(0, this.shown).map(({ key, sign, make }) => {
      const old = this.rows.get(key);
      const row = old?.sign === sign ? old : { sign, node: make() };
      kept.set(key, row);
      return row.node;
    });
    this.rows = kept;
    const same = nodes.length === this.body.children.length && nodes.every((node, index) => this.body.children[index] === node);
    if (!same) this.replace(nodes);
    document.getElementById("more").hidden = this.shown >= this.total;
    this.tell();
  }

  /** Put the rows in place, and the keyboard back where it was. */
  replace(nodes) {
    const active = document.activeElement?.closest("[data-control]");
    const at = active && this.body.contains(active) ? [active.closest("tr").dataset.path, active.dataset.control] : null;
    this.body.replaceChildren(...nodes);
    if (!at) return;
    const row = nodes.find((node) => node.dataset.path === at[0]);
    (row?.querySelector(`[data-control="${at[1]}"]`) ?? document.getElementById("filter")).focus({ preventScroll: true });
  }

  tell() {
    const visible = this.visible();
    for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === this.mode));
    for (const button of document.querySelectorAll("[data-scope][aria-pressed]")) {
      button.setAttribute("aria-pressed", String((button.dataset.scope === "own") === this.own));
    }
    for (const button of this.box.querySelectorAll("[data-sort]")) {
      const current = this.mode === "list" && this.sort.key === button.dataset.sort;
      const head = button.closest("th");
      button.disabled = this.mode === "tree";
      if (current) head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const all = document.getElementById("select-all");
    const chosen = visible.filter((file) => this.selected.has(file.path)).length;
    all.checked = chosen > 0 && chosen === visible.length;
    all.indeterminate = chosen > 0 && chosen < visible.length;
    const count = visible.length === 1 ? "1 file" : `${visible.length.toLocaleString("en")} files`;
    document.getElementById("count").textContent = visible.length === this.files.length ? count : `${count} of ${this.files.length.toLocaleString("en")}`;
    document.getElementById("nothing").hidden = visible.length > 0 || !this.filter;
    const nothingOwn = document.getElementById("nothing-own");
    if (nothingOwn) nothingOwn.hidden = !this.own || this.filter !== "" || visible.length > 0 || this.files.length === 0;
    this.box.hidden = visible.length === 0;
  }

  /** Arrow keys go from row to row, in the same column of controls; left and right close and open folders. */
  move(event) {
    const control = event.target.closest("[data-control]");
    const row = control?.closest("tr");
    if (!row) return;
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step) {
      let next = row[step];
      while (next && !next.querySelector("[data-control]")) next = next[step];
      if (!next) return;
      event.preventDefault();
      const wanted = ["name", "toggle"].includes(control.dataset.control) ? "name" : control.dataset.control;
      (next.querySelector(`[data-control="${wanted}"]`) ?? next.querySelector('th [data-control]') ?? next.querySelector("[data-control]")).focus();
    } else if (control.dataset.control === "toggle") {
      const open = control.getAttribute("aria-expanded") === "true";
      if (event.key === (open ? "ArrowLeft" : "ArrowRight")) control.click();
    }
  }
}

/** The tree of folders: { path, children, own: files in it, files: files below it }. */
function folders(files) {
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const make = (path) => ({ path, children: new Map(), own: [], files: [] });
  const root = make("");
  for (const file of [...files].sort((one, other) => compare(one.path, other.path))) {
    let node = root;
    const folder = folderOf(file.path);
    if (folder) {
      let path = "";
      for (const part of folder.split("/")) {
        path = path ? `${path}/${part}` : part;
        if (!node.children.has(part)) node.children.set(part, make(path));
        node = node.children.get(part);
        node.files.push(file);
      }
    }
    node.own.push(file);
  }
  return root;
}
