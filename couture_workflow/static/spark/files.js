/* The rows of jars and py-files: uploaded dependencies in an order. */

import { get, page } from "../common/api.js";
import { combobox } from "../common/combobox.js";
import { el, freshId, iconButton } from "../common/dom.js";
import { Row, WORDS } from "./row.js";

/** A jar or py-file: the reference name, or name@version. */
export class FileRow extends Row {
  constructor(editor, section, reference = "") {
    super(editor, section);
    const [name, version = ""] = reference.split("@");
    this.name = el("input", { class: "mono", id: freshId("file"), maxlength: "300", placeholder: "Choose an uploaded file", "aria-describedby": this.box.id });
    this.name.value = name;
    this.version = el("select", { id: freshId("version"), onchange: () => editor.changed() });
    this.nameLabel = el("label", { class: "visually-hidden", for: this.name.id });
    this.versionLabel = el("label", { class: "visually-hidden", for: this.version.id });
    this.up = iconButton("up", "Move up", () => editor.move(this, -1));
    this.down = iconButton("down", "Move down", () => editor.move(this, 1));
    this.node.append(
      el("div", { class: "entry-fields entry-file" },
        el("div", { class: "field entry-name" }, this.nameLabel, this.name),
        el("div", { class: "field entry-version" }, this.versionLabel, this.version),
        el("div", { class: "entry-actions" }, this.up, this.down, this.remover)),
      this.box,
    );
    combobox(this.name, { suggest: (text) => this.suggest(text), pick: () => this.version.focus() });
    this.name.addEventListener("input", () => {
      this.fill("");
      editor.changed();
    });
    this.fill(version);
  }

  async suggest(text) {
    const query = new URLSearchParams({ section: this.section, search: text });
    const { files } = await get(page(`/spark-configuration/files?${query}`)).catch(() => ({ files: {} }));
    Object.assign(this.editor.files, files);
    const taken = this.editor.names(this.section, this);
    const note = ({ versions }) => (versions.length === 1 ? "1 version" : `${versions.length} versions`);
    return Object.entries(files).filter(([name]) => !taken.has(name)).map(([value, file]) => ({ value, note: note(file) }));
  }

  /** Offer the versions of the file; a version that is not there stays chosen, so that the server can say so. */
  fill(version) {
    const file = this.editor.files[this.title()];
    const numbers = file?.versions ?? [];
    const odd = version && !numbers.includes(Number(version)) ? [version] : [];
    const current = el("option", { value: "" }, file ? `Newest (now ${file.current})` : "Newest");
    this.version.replaceChildren(current, ...[...numbers, ...odd].map((number) => el("option", { value: number }, `Version ${number}`)));
    this.version.value = version;
    this.version.disabled = !file && !version;
  }

  inputs() {
    return { value: this.name, name: this.name };
  }

  title() {
    return this.name.value.trim();
  }

  label(number, count) {
    const title = this.title() || `${WORDS[this.section].toLowerCase()} ${number}`;
    this.nameLabel.textContent = `${WORDS[this.section]} ${number}`;
    this.versionLabel.textContent = `Version of ${title}`;
    for (const [button, verb] of [[this.up, "Move up"], [this.down, "Move down"], [this.remover, "Delete"]]) {
      button.setAttribute("aria-label", `${verb} ${title}`);
      button.title = `${verb} ${title}`;
    }
    this.up.disabled = number === 1;
    this.down.disabled = number === count;
  }

  blank() {
    return !this.title();
  }

  payload() {
    return this.version.value ? `${this.title()}@${this.version.value}` : this.title();
  }

  stored() {
    return this.payload();
  }
}
