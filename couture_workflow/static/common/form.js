/* Forms that a script saves: whether they are saved, what is wrong with which field, and no leaving unasked. */

import { attempt } from "./dialog.js";
import { waiting } from "./dom.js";

/** Let the browser ask before the page is left while `unsaved()` is true. */
export function askBeforeLeaving(unsaved) {
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });
}

/** The script has filled a form and listens to it: people can type (`ui.until_ready`). */
export function ready(form) {
  form.querySelector(":scope > .until-ready").disabled = false;
}

/** A form with the state in its bar (`ui.save_bar`), and a place below each field (`ui.text_field`). */
export class Form {
  /** `fields`: those with a place #<prefix><field>-error; `state`: the id of the element that tells the state. */
  constructor({ fields, prefix = "", state }) {
    Object.assign(this, { fields, prefix, dirty: false });
    this.state = document.getElementById(state);
    askBeforeLeaving(() => this.dirty);
  }

  /** Something was typed. */
  changed() {
    this.dirty = true;
    this.tell("Not saved yet.");
  }

  /** What was typed is saved. */
  saved() {
    this.dirty = false;
    this.tell("");
  }

  tell(text) {
    this.state.textContent = text;
  }

  place(field) {
    return this.fields.includes(field) ? document.getElementById(`${this.prefix}${field}-error`) : null;
  }

  /** Take away what is said of all fields. */
  clear() {
    for (const field of this.fields) this.place(field).textContent = "";
  }

  /** Say what is wrong with a field; tells whether there is such a field. */
  wrong(field, message, { show = true } = {}) {
    const place = this.place(field);
    if (!place) return false;
    place.textContent = message;
    if (show) place.scrollIntoView({ block: "center" });
    return true;
  }

  /** Do something while its button waits; a refusal stands at its field, or in a notice. */
  async attempt(button, work) {
    return waiting(button, () => attempt(work, ({ field, message }) => this.wrong(field, message)));
  }
}
