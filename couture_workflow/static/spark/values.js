/* The rows of arguments and configurations. */

import { combobox } from "../common/combobox.js";
import { el, freshId } from "../common/dom.js";
import { describe, loadOptions, suggestNames, suggestValues } from "./options.js";
import { Row, WORDS } from "./row.js";

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
