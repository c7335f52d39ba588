/* What the rows of all four lists share: where they stand, and where remarks on them are shown. */

import { el, freshId, iconButton } from "../common/dom.js";

/** What all rows share. `editor`: { changed(), remove(row), names(section), isSecret(name), files }. */
export class Row {
  constructor(editor, section) {
    this.editor = editor;
    this.section = section;
    this.remarks = [];
    this.box = el("div", { class: "remarks", id: freshId("remarks"), "aria-live": "polite" });
    this.node = el("li", { class: "entry" });
    this.node.addEventListener("focusout", (event) => {
      if (!this.node.contains(event.relatedTarget)) this.render();
    });
    this.remover = iconButton("trash", "Delete", () => editor.remove(this), "btn-danger");
  }

  /** Take what the server says; while the row is being typed in, new remarks wait. */
  tell(remarks, { now = false } = {}) {
    const before = new Set(this.shown?.map((remark) => remark.message));
    this.remarks = remarks;
    const typing = this.node.contains(document.activeElement) && !now;
    this.render(typing ? remarks.filter((remark) => before.has(remark.message)) : remarks);
  }

  render(remarks = this.remarks) {
    this.shown = remarks;
    const line = ({ level, message }) =>
      el("p", { class: level === "error" ? "field-error" : `remark remark-${level}` }, message);
    this.box.replaceChildren(...remarks.map(line));
    for (const [part, input] of Object.entries(this.inputs())) {
      const wrong = remarks.some((remark) => remark.part === part && remark.level === "error");
      if (wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }

  /** Focus the field that is wrong, else the first. */
  focus() {
    (this.node.querySelector('[aria-invalid="true"]') ?? this.name).focus();
  }
}

export const WORDS = { arguments: "Argument", configurations: "Configuration", jars: "Jar", py_files: "Py-file" };
