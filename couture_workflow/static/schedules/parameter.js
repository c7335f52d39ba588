/* The field of one parameter of a notebook, by its type. */

import { el, freshId, iconButton } from "../common/dom.js";

/* Type → what its field looks like, and what is written in it. */
const LOOKS = {
  int: { label: "whole number", attributes: { inputmode: "numeric" } },
  float: { label: "number", attributes: { inputmode: "decimal" } },
  bool: { label: "yes or no", choices: ["True", "False"] },
  str: { label: "text", long: true },
  date: { label: "date", attributes: { type: "date" } },
  list: { label: "list", long: true, code: true },
  dict: { label: "dictionary", long: true, code: true },
  None: { label: "None", choices: ["None"] },
};
const TYPES = Object.keys(LOOKS);

/* What Airflow fills in. */
const DAY = "{{ ds }}";

const look = (type) => LOOKS[type] ?? LOOKS.str;

/** How a value of JSON is typed in: text as it is, the rest as it is written. */
export const textOf = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "None" : JSON.stringify(value);
};

/** The type of a value of JSON. */
export function typeOf(value) {
  if (value === null) return "None";
  if (Array.isArray(value)) return "list";
  return { boolean: "bool", number: Number.isInteger(value) ? "int" : "float", string: "str" }[typeof value] ?? "dict";
}

/** The control of a type, holding a text. */
function control(type, text, attributes) {
  const { choices, long, code, attributes: more } = look(type);
  if (choices) {
    const options = [...new Set([...choices, text])].map((value) => el("option", { value, selected: value === text }, value));
    return el("select", attributes, ...options);
  }
  const shape = { ...attributes, class: code ? "mono" : null, spellcheck: "false" };
  if (long && (code || text.includes("\n") || text.length > 80)) {
    const area = el("textarea", { ...shape, rows: String(Math.min(8, Math.max(2, text.split("\n").length))) });
    area.value = text;
    return area;
  }
  const fits = more?.type !== "date" || /^\d{4}-\d\d-\d\d$/.test(text) || !text;
  const input = el("input", { ...shape, ...(fits ? more : {}) });
  input.value = text;
  return input;
}

/** What a field shows of the notebook's own value; a number as it is written there, for it may be longer than ours. */
const defaultText = ({ literal, code, default: value }) => {
  if (!literal || value === null) return ""; // told by the placeholder
  return typeof value === "number" ? code : textOf(value);
};

/** One parameter: { name, type, default, literal, code, help } of the notebook, or one that somebody adds. */
export class Parameter {
  constructor(declared, { own = false, type, value, changed, remove }) {
    Object.assign(this, { declared, own, changed, remove });
    this.isOpen = own || !LOOKS[declared.type] || declared.type === "None"; // its type is not known: it is chosen
    this.type = type ?? (LOOKS[declared.type] && declared.type !== "None" ? declared.type : "str");
    this.default = defaultText(declared);
    this.isSet = value !== undefined;
    this.id = freshId("parameter");
    this.error = el("span", { class: "field-error", id: `${this.id}-error` });
    this.warning = el("span", { class: "field-warning", id: `${this.id}-warning` });
    this.box = el("div", { class: "parameter-value" });
    this.node = el("li", { class: "parameter", "data-parameter": declared.name || false });
    this.fill(value ?? this.default);
    this.node.append(...(own ? this.ownParts() : this.declaredParts()), this.error, this.warning);
    this.mark();
  }

  /** Put a control of the type of now in its place. */
  fill(text) {
    const attributes = { id: this.id, "aria-describedby": `${this.id}-help ${this.id}-error ${this.id}-warning` };
    this.control = control(this.type, text, attributes);
    if (!this.default && !this.own) this.control.placeholder = this.declared.code;
    this.control.addEventListener("input", () => {
      this.isSet = true;
      this.mark();
      this.changed();
    });
    this.box.replaceChildren(this.control);
  }

  declaredParts() {
    const { name, help, literal, code } = this.declared;
    this.reset = el(
      "button",
      {
        type: "button", class: "btn btn-small", "aria-label": `Take the default of ${name}`,
        onclick: () => {
          this.isSet = false;
          this.fill(this.default);
          this.mark();
          this.control.focus();
          this.changed();
        },
      },
      "Take the default",
    );
    const computed = literal ? null : el("span", {}, "The notebook computes it: ", el("code", {}, code), ". ");
    const day = this.type === "date" && el("button", { type: "button", class: "btn btn-small", "aria-label": `Take the day of the run for ${name}`, onclick: () => this.set(DAY) }, "Day of the run");
    const kind = this.isOpen ? this.typeChoice({ "aria-label": `Type of ${name}` }) : el("span", { class: "badge" }, look(this.type).label);
    return [
      el("div", { class: "bar" }, el("label", { for: this.id, class: "mono break" }, name), kind, el("span", { class: "grow" }), day, this.reset),
      this.box,
      el("span", { class: "help break", id: `${this.id}-help` }, computed, help),
    ];
  }

  /** Put a text in, as if it had been typed. */
  set(text) {
    this.fill(text);
    this.isSet = true;
    this.mark();
    this.control.focus();
    this.changed();
  }

  typeChoice(attributes) {
    const choice = el(
      "select", { ...attributes, onchange: () => this.retype(choice.value) },
      ...TYPES.map((value) => el("option", { value, selected: value === this.type }, look(value).label)),
    );
    return choice;
  }

  ownParts() {
    const name = el("input", {
      id: `${this.id}-name`, class: "mono", spellcheck: "false", maxlength: "200", "aria-describedby": `${this.id}-error`,
      oninput: () => this.changed(),
    });
    name.value = this.declared.name;
    this.name = name;
    const type = this.typeChoice({ id: `${this.id}-type` });
    const field = (label, of, node) => el("div", { class: "field" }, el("label", { for: of }, label), node);
    return [
      el(
        "div", { class: "parameter-own" },
        field("Name", name.id, name), field("Type", type.id, type), field("Value", this.id, this.box),
        iconButton("trash", `Remove the parameter ${this.declared.name}`.trim(), () => this.remove(this)),
      ),
      el("span", { class: "visually-hidden", id: `${this.id}-help` }, "Added here"),
    ];
  }

  retype(type) {
    const text = this.control.value;
    const { choices } = look(type);
    this.type = type;
    this.fill(choices && !choices.includes(text) ? choices.at(-1) : text);
    this.isSet = true;
    this.mark();
    this.changed();
  }

  mark() {
    if (this.reset) this.reset.hidden = !this.isSet;
  }

  nameNow() {
    return this.own ? this.name.value.trim() : this.declared.name;
  }

  /** What is sent; null for one that the notebook's own value stands for. */
  value() {
    const name = this.nameNow();
    if (this.own ? !name && !this.control.value : !this.isSet) return null;
    return { name, type: this.type, text: this.control.value };
  }

  tell(part, message) {
    this[part].textContent = message;
    if (part === "error") this.control.setAttribute("aria-invalid", String(Boolean(message)));
  }
}
