/* The parameters of a notebook, a field for each; further ones can be added. */

import { Parameter, textOf, typeOf } from "./parameter.js";

/** What a form of the REST API gives, as { name, type, text }. */
export const given = ({ parameters = {}, types = {} }) =>
  Object.entries(parameters).map(([name, value]) => ({ name, type: types[name] ?? typeOf(value), text: textOf(value) }));

/** What a run of a schedule has to choose from: the parameters of its notebook, with the schedule's own values. */
export function ofSchedule({ form, parameters }) {
  const own = new Map(given(form).map((each) => [each.name, { ...each, literal: true, default: form.parameters[each.name], code: each.text, help: "" }]));
  const known = parameters.map((each) => {
    const mine = own.get(each.name);
    own.delete(each.name);
    return mine ? { ...each, ...mine, type: ["any", "None"].includes(each.type) ? mine.type : each.type, help: each.help } : each;
  });
  return [...known, ...own.values()];
}

/** All of them, in a list. */
export class Parameters {
  #rows = [];

  constructor(list, { changed }) {
    Object.assign(this, { list, changed });
  }

  /** Show what a notebook declares; `values` are { name, type, text } that were given. What it lacks becomes one of one's own. */
  show(declared, values = this.values()) {
    const given = new Map(values.map((value) => [value.name, value]));
    this.#rows = declared.map((each) => this.#row(each, { type: given.get(each.name)?.type, value: given.get(each.name)?.text }));
    const known = new Set(declared.map(({ name }) => name));
    for (const { name, type, text } of values) if (!known.has(name)) this.#own({ name, type, text });
    this.#arrange();
  }

  add() {
    const row = this.#own({ name: "", type: "str", text: "" });
    this.#arrange();
    row.name.focus();
    this.changed();
  }

  values() {
    return this.#rows.map((row) => row.value()).filter(Boolean);
  }

  /** Say what is wrong ("error") or odd ("warning") with a parameter; gives its control, null if there is no such one. */
  tell(part, name, message) {
    const row = this.#rows.find((each) => each.nameNow() === name);
    row?.tell(part, message);
    return row?.control ?? null;
  }

  /** What is wrong with names that were given to two of them. */
  twice() {
    const names = this.#rows.map((row) => row.nameNow()).filter(Boolean);
    return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].map((name) => ({
      field: `parameters.${name}`, level: "error", message: `${name} is there twice. Remove one of the two.`,
    }));
  }

  clear() {
    for (const row of this.#rows) for (const part of ["error", "warning"]) row.tell(part, "");
  }

  #row(declared, { own = false, type, value }) {
    return new Parameter(declared, { own, type, value, changed: this.changed, remove: (row) => this.#remove(row) });
  }

  #own({ name, type, text }) {
    const row = this.#row({ name, type, default: "", literal: true, code: "", help: "" }, { own: true, type, value: text });
    this.#rows.push(row);
    return row;
  }

  #remove(row) {
    const index = this.#rows.indexOf(row);
    this.#rows.splice(index, 1);
    this.#arrange();
    (this.#rows[Math.min(index, this.#rows.length - 1)]?.control ?? document.getElementById("add-parameter")).focus();
    this.changed();
  }

  #arrange() {
    this.list.replaceChildren(...this.#rows.map((row) => row.node));
  }
}
