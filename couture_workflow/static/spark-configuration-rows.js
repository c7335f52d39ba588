/* The rows of the four lists. A row knows its fields, what it sends, and where its remarks are shown. */

import { get, page } from "./api.js";
import { combobox } from "./combobox.js";
import { el, freshId, iconButton } from "./dom.js";
import { describe, loadOptions, suggestNames, suggestValues } from "./spark-configuration-options.js";

/** What all rows share. `editor`: { changed(), remove(row), names(section), isSecret(name), files }. */
class Row {
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

const WORDS = { arguments: "Argument", configurations: "Configuration", jars: "Jar", py_files: "Py-file" };

/** An argument or a configuration: { name, value } or, for a secret that is saved, { name, kept }. */
export class ValueRow extends Row {
  constructor(editor, section, { name = "", value = "", kept = null, lost = false } = {}) {
    super(editor, section);
    Object.assign(this, { kept, was: kept, lost });
    this.help = el("p", { class: "help entry-help", id: freshId("help") });
    this.name = el("input", { class: "mono", id: freshId("name"), maxlength: "1000", "aria-describedby": `${this.help.id} ${this.box.id}` });
    this.value = el("input", { class: "mono", id: freshId("value"), maxlength: "20000", "aria-describedby": this.box.id });
    this.name.value = name;
    this.value.value = value;
    this.nameLabel = el("label", { class: "visually-hidden", for: this.name.id });
    this.valueLabel = el("label", { class: "visually-hidden", for: this.value.id });
    this.set = el(
      "div", { class: "entry-secret", role: "group" },
      el("span", { class: "mono", "aria-hidden": "true" }, "••••••"), el("span", { class: "badge" }, "Secret is set"),
      (this.replacer = el("button", { type: "button", class: "btn btn-small", onclick: () => this.replace() }, "Replace")),
    );
    this.keeper = el("button", { type: "button", class: "btn btn-small", onclick: () => this.keep() }, "Keep the old");
    this.node.append(
      el("div", { class: "entry-fields" },
        el("div", { class: "field entry-name" }, this.nameLabel, this.name),
        el("div", { class: "field entry-value" }, this.valueLabel, this.value, this.set, this.keeper),
        this.remover),
      this.help, this.box,
    );
    combobox(this.name, {
      suggest: (text) => suggestNames(section, text, editor.names(section, this)),
      pick: () => (this.kept ? this.replacer : this.value).focus(),
    });
    combobox(this.value, { suggest: (text) => suggestValues(section, this.title(), text) });
    this.name.addEventListener("input", () => this.named());
    this.value.addEventListener("input", () => {
      this.lost = false;
      editor.changed();
    });
    this.node.addEventListener("focusin", () => loadOptions().then(() => this.describe()), { once: true });
    this.named({ quiet: true });
  }

  inputs() {
    return { name: this.name, value: this.value };
  }

  title() {
    const name = this.name.value.trim();
    return this.section === "arguments" ? name.replace(/^--/, "") : name;
  }

  secret() {
    return this.section === "configurations" && this.editor.isSecret(this.title());
  }

  named({ quiet = false } = {}) {
    const hide = this.secret();
    this.value.type = hide ? "password" : "text";
    this.value.autocomplete = hide ? "new-password" : "off";
    this.value.hidden = this.kept !== null;
    this.set.hidden = this.kept === null;
    this.name.readOnly = this.kept !== null;
    this.keeper.hidden = this.was === null || this.kept !== null;
    this.value.placeholder = hide ? "Kept encrypted, never shown again" : "";
    this.describe();
    if (!quiet) this.editor.changed();
  }

  describe() {
    this.help.textContent = describe(this.section, this.title());
  }

  label(number) {
    const title = this.title() || `${WORDS[this.section].toLowerCase()} ${number}`;
    this.nameLabel.textContent = `${WORDS[this.section]} ${number} name`;
    this.valueLabel.textContent = `Value of ${title}`;
    this.set.setAttribute("aria-label", `Saved secret ${title}`);
    this.replacer.setAttribute("aria-label", `Replace the secret ${title}`);
    this.keeper.setAttribute("aria-label", `Keep the old secret ${title}`);
    this.remover.setAttribute("aria-label", `Delete ${title}`);
    this.remover.title = `Delete ${title}`;
  }

  replace() {
    this.kept = null;
    this.named();
    this.value.focus();
  }

  keep() {
    Object.assign(this, { kept: this.was, lost: false });
    this.value.value = "";
    this.named();
    this.replacer.focus();
  }

  blank() {
    return !this.name.value.trim() && !this.value.value;
  }

  payload() {
    const name = this.name.value;
    return this.kept !== null ? { name, kept: this.kept } : { name, value: this.value.value };
  }

  /** What may be kept in the browser: no secret. */
  stored() {
    return this.secret() && this.kept === null ? { name: this.name.value, lost: true } : this.payload();
  }
}

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
