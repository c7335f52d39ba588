/* Files beside a notebook, to tick those that go with it. */

import { bytes } from "../common/sizes.js";
import { el, freshId } from "../common/dom.js";

export class FilesBeside {
  #wanted = new Set();
  #found = [];

  constructor(list, { changed }) {
    Object.assign(this, { list, changed, help: document.getElementById("files-help") });
  }

  chosen() {
    return [...this.#wanted];
  }

  /** `found` are { path, size } of now; `wanted` paths that were chosen, whether they are still there or not. */
  show(found, wanted = this.chosen()) {
    this.#found = found;
    this.#wanted = new Set(wanted);
    const gone = wanted.filter((path) => !found.some((file) => file.path === path));
    this.list.replaceChildren(...found.map((file) => this.#line(file)), ...gone.map((path) => this.#line({ path, size: null })));
    this.#tell();
  }

  #line({ path, size }) {
    const box = el("input", {
      type: "checkbox", id: freshId("file"),
      onchange: () => {
        if (box.checked) this.#wanted.add(path);
        else this.#wanted.delete(path);
        this.#tell();
        this.changed();
      },
    });
    box.checked = this.#wanted.has(path);
    const note = size === null ? el("span", { class: "badge badge-warn" }, "not there any more") : el("span", { class: "muted small nowrap" }, bytes(size));
    return el("li", {}, el("label", { for: box.id, class: "choice" }, box, el("span", { class: "mono break" }, path)), note);
  }

  #tell() {
    const chosen = this.#found.filter(({ path }) => this.#wanted.has(path));
    const sum = bytes(chosen.reduce((total, { size }) => total + size, 0));
    const all = "Those that you tick are copied with the notebook, and lie in the same place when it runs.";
    if (!this.#found.length && !this.#wanted.size) this.help.textContent = "There are none in the folder of the notebook.";
    else this.help.textContent = chosen.length ? `${all} Chosen: ${chosen.length === 1 ? "1 file" : `${chosen.length} files`}, ${sum}.` : all;
  }
}
