/* What is wrong or odd, beside the fields; nothing is said of an empty field before somebody was there. */

import { FIELDS, controlOf } from "./fields.js";

const QUIET = ["notebook", "name", "when.at", "when.cron"];
/* Fields of the server that have another place on the page. */
const PLACES = { "when.kind": "when", path: "notebook" };

export class Findings {
  #visited = new Set();
  #shown = [];

  /** `kept`: the Form; `outside(message)`: tells what belongs to no field. */
  constructor({ kept, parameters, outside }) {
    Object.assign(this, { kept, parameters, outside });
  }

  visit(field) {
    this.#visited.add(field);
  }

  visitAll() {
    for (const field of QUIET) this.visit(field);
  }

  /** Show these and no others; gives the control of the first error, null if there is none with a place. */
  show(found) {
    this.kept.clear();
    this.parameters.clear();
    for (const field of FIELDS) {
      document.getElementById(`schedule-${field}-warning`).textContent = "";
      controlOf(field)?.removeAttribute("aria-invalid");
    }
    this.#shown = found.filter((finding) => finding.level === "warning" || !this.#isEarly(finding)).map((finding) => ({ ...finding, control: this.#place(finding) }));
    return this.#first();
  }

  /** Go to the first error. */
  focus() {
    const control = this.#first();
    control?.focus({ preventScroll: true });
    control?.scrollIntoView({ block: "center" });
  }

  #first() {
    return this.#shown.find(({ level, control }) => level === "error" && control)?.control ?? null;
  }

  #isEarly({ field }) {
    return QUIET.includes(field) && !this.#visited.has(field) && !controlOf(field).value;
  }

  #place({ field, message, level }) {
    const [, name] = /^parameters\.(.*)$/s.exec(field) ?? [];
    const control = name === undefined ? null : this.parameters.tell(level, name, message);
    if (control) return control;
    const at = name === undefined ? (PLACES[field] ?? field) : "parameters";
    if (!FIELDS.includes(at)) {
      if (level === "error") this.outside(message);
      return null;
    }
    const node = document.getElementById(`schedule-${at}-${level}`);
    node.textContent = [node.textContent, message].filter(Boolean).join(" ");
    const own = controlOf(at);
    if (level === "error") own?.setAttribute("aria-invalid", "true");
    return own ?? node;
  }
}
