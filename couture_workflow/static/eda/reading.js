/* How a file is read: fields that are empty are detected, and tell what was found. */

const WORDS = { tab: "\t", space: " ", none: "" };
const SHOWN = Object.fromEntries(Object.entries(WORDS).map(([word, character]) => [character, word]));
const TEXTS = ["delimiter", "quote", "escape"];

const words = (text) => (text.trim() in WORDS ? WORDS[text.trim()] : text.length > 1 ? text.trim() : text);

const written = {
  ...Object.fromEntries(TEXTS.map((name) => [name, (value) => SHOWN[value] ?? value])),
  nulls: (value) => (value.length ? value.map((word) => (word === "" ? '""' : word)).join(", ") : "none"),
  skip: String,
  encoding: String,
  decimal: String,
  header: (value) => (value ? "yes" : "no"),
};

const read = {
  ...Object.fromEntries(TEXTS.map((name) => [name, words])),
  nulls: (text) => (text.trim() === "none" ? [] : text.split(",").map((word) => (word.trim() === '""' ? "" : word.trim()))),
  skip: (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text),
  encoding: String,
  decimal: String,
  header: (text) => text === "yes",
};

const NAMES = Object.keys(read);

/** The fields of a form: value() gives { format, reading } but for the types, tell(found) what was detected. */
export class Reading {
  constructor(form, { format, reading }) {
    this.form = form;
    this.given = reading;
    this.field("format").value = format === "auto" ? "" : format;
    for (const name of NAMES) this.field(name).value = name in reading ? written[name](reading[name]) : "";
  }

  field(name) {
    return this.form.elements[`reading_${name}`];
  }

  /* What was not touched stays as it was saved, also where the field cannot hold it as it is. */
  one(name) {
    const text = this.field(name).value;
    return name in this.given && text === written[name](this.given[name]) ? this.given[name] : read[name](text);
  }

  value() {
    const found = Object.fromEntries(NAMES.filter((name) => this.field(name).value !== "").map((name) => [name, this.one(name)]));
    return { format: this.field("format").value || "auto", reading: found };
  }

  words(name, text) {
    const { options } = this.field(name);
    return [...(options ?? [])].find(({ value }) => value === text)?.text ?? text;
  }

  tell(found = {}) {
    for (const name of ["format", ...NAMES]) {
      const value = found[name];
      const known = value !== undefined && value !== null;
      const text = known ? this.words(name, written[name] ? written[name](value) : String(value)) : "";
      document.getElementById(`detected-${name}`).textContent = text === "" ? "" : `Read with: ${text}`;
    }
  }
}
