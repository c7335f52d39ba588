/* The preview of a source: its first rows, the type of each column, which are sensitive, and what could not be read. */

import { el } from "../common/dom.js";
import { bytes } from "../common/sizes.js";

/* Columns that are drawn at once; a filter finds the others. */
const MOST = 300;
const FILTER_FROM = 40;
/* Characters of a value that are laid out: a browser takes a second for 50 longer ones in which the direction changes. */
const SHOWN = 200;

const beginning = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN).replace(/[\ud800-\udbff]$/, "")}…` : text);

export class Preview {
  /**
   * `box`: where it is drawn; `types`: those to choose from; `sensitive`, `chosen`: what was saved; `writes`: whether
   * anything can be changed; `changed({ again })`: something was, and the preview has to be made anew.
   */
  constructor({ box, types, sensitive, chosen, writes, changed }) {
    Object.assign(this, { box, types, writes, changed });
    this.sensitive = new Set(sensitive);
    this.chosen = new Map(Object.entries(chosen));
    this.result = null;
    this.filter = "";
  }

  value() {
    return { sensitive: [...this.sensitive], types: Object.fromEntries(this.chosen) };
  }

  /* `typed`: types can be chosen; `lines`: what cannot be read are lines, else values of rows. */
  show(result, { typed, lines }) {
    this.result = result;
    Object.assign(this, { typed, lines });
    this.draw();
  }

  fail(message) {
    this.result = null;
    this.box.replaceChildren(el("p", { class: "alert alert-error", role: "alert" }, message));
  }

  draw() {
    const { result } = this;
    if (!result) return;
    const parts = [this.facts(), this.bad(), this.strangers()];
    if (!result.columns.length) parts.push(el("p", { class: "muted" }, "The data has no columns."));
    else parts.push(this.finder(), this.place());
    this.box.replaceChildren(...parts.filter(Boolean));
  }

  facts() {
    const { columns, rows, reading = {}, bytes: size, rows_estimate: estimate, version, bad } = this.result;
    const told = [
      `${columns.length.toLocaleString("en")} column${columns.length === 1 ? "" : "s"}`,
      rows.length ? "" : "no rows",
      estimate ? `${bad?.whole ? "" : "about "}${estimate.toLocaleString("en")} row${estimate === 1 ? "" : "s"}` : "",
      Number.isFinite(size) ? bytes(size) : "",
      reading.compression && reading.compression !== "none" ? `compressed: ${reading.compression}` : "",
      version ?? "",
    ].filter(Boolean);
    return el("p", { class: "eda-facts small muted break" }, ...told.map((text) => el("span", {}, text)));
  }

  bad() {
    const { count, whole, first = [] } = this.result.bad ?? {};
    if (!count && !first.length) return null;
    const noun = this.lines ? "line" : "value";
    const many = count ? `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}` : `Some ${noun}s`;
    const where = whole ? "of the whole file" : "of the part that was looked at";
    const told = this.lines
      ? `cannot be read with these settings. Figures leave ${count === 1 ? "it" : "them"} out, and reports say how many.`
      : `cannot be kept as ${count === 1 ? "it is" : "they are"}. Their rows stay in, and reports say how many values these are.`;
    const head = [this.lines ? "Line" : "Row", "Why", this.lines ? "Text" : "Value"].map((text) => el("th", { scope: "col" }, text));
    const rows = first.map(({ line, reason, text }) =>
      el("tr", {}, el("td", { class: "number" }, line === null ? "" : String(line)), el("td", {}, reason), el("td", { class: "mono break" }, text)),
    );
    return el(
      "div", { class: "stack" },
      el("p", { class: "alert alert-warn", id: "bad-lines" }, `${many} ${where} ${told}`),
      rows.length
        ? el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": this.lines ? "Lines that cannot be read" : "Values that cannot be kept as they are" }, el("table", { class: "table eda-bad" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)))
        : null,
    );
  }

  /* Columns of which something is set, and that are not there. */
  strangers() {
    const known = new Set(this.result.columns.map(({ name }) => name));
    const gone = [...new Set([...this.sensitive, ...this.chosen.keys()])].filter((name) => !known.has(name));
    if (!gone.length) return null;
    const forget = (name) => {
      this.sensitive.delete(name);
      this.chosen.delete(name);
      this.changed({ again: true });
      this.draw();
    };
    const items = gone.slice(0, 50).map((name) =>
      el("li", {}, el("code", {}, name), " ", this.writes ? el("button", { type: "button", class: "btn btn-small", "aria-label": `Forget ${name}`, onclick: () => forget(name) }, "Forget") : null),
    );
    return el("div", { class: "alert alert-warn" }, el("div", {}, el("p", {}, "Something is set for columns that the data does not have:"), el("ul", {}, ...items)));
  }

  finder() {
    const { columns } = this.result;
    if (columns.length < FILTER_FROM) return null;
    const input = el("input", { type: "search", "aria-label": "Find columns", placeholder: "Find columns", autocomplete: "off", spellcheck: "false" });
    input.value = this.filter;
    input.addEventListener("input", (event) => {
      event.stopPropagation(); // nothing of the source has changed
      this.filter = input.value;
      this.table.replaceWith(this.place());
    });
    return el("div", { class: "bar" }, input);
  }

  place() {
    const { columns, rows } = this.result;
    const words = this.filter.trim().toLowerCase();
    const found = columns.map((column, index) => ({ column, index })).filter(({ column }) => column.name.toLowerCase().includes(words));
    const shown = found.slice(0, MOST);
    const head = el("tr", {}, ...shown.map(({ column }) => el("th", { scope: "col" }, this.head(column))));
    const body = rows.map((row) => el("tr", {}, ...shown.map(({ column, index }) => this.cell(column, row[index]))));
    this.table = el(
      "div", { class: "stack" },
      found.length > MOST ? el("p", { class: "muted small" }, `${MOST} of ${found.length.toLocaleString("en")} columns are shown. Find the others by name.`) : null,
      el(
        "div", { class: "table-box eda-cells", tabindex: "0", role: "region", "aria-label": "First rows" },
        el("table", { class: "table" }, el("thead", {}, head), el("tbody", {}, ...body)),
      ),
    );
    return this.table;
  }

  head(column) {
    const { name, type } = column;
    const tick = el("input", { type: "checkbox", "aria-label": `${name} is sensitive`, disabled: !this.writes });
    tick.checked = this.sensitive.has(name);
    tick.addEventListener("change", () => this.mark(column, tick.checked));
    return el(
      "div", { class: "eda-head" },
      el("span", { class: "eda-column", title: name }, name),
      this.typed && this.writes ? this.choice(name, type) : el("span", { class: "small muted mono" }, type),
      el("label", { class: "eda-check small" }, tick, "sensitive"),
    );
  }

  choice(name, type) {
    const select = el("select", { "aria-label": `Type of ${name}` });
    const now = this.chosen.get(name);
    const offered = now && !this.types.includes(now) ? [now, ...this.types] : this.types;
    select.append(
      el("option", { value: "" }, now ? "Detect" : type),
      ...offered.map((each) => el("option", { value: each, selected: each === now }, each)),
    );
    select.addEventListener("change", () => {
      if (select.value) this.chosen.set(name, select.value);
      else this.chosen.delete(name);
      this.changed({ again: true });
    });
    return select;
  }

  mark(column, sensitive) {
    if (sensitive) this.sensitive.add(column.name);
    else this.sensitive.delete(column.name);
    this.changed({ again: !sensitive && column.hidden === true });
    const focused = `${column.name} is sensitive`;
    this.draw();
    [...this.box.querySelectorAll("input[type=checkbox]")].find((each) => each.getAttribute("aria-label") === focused)?.focus();
  }

  cell(column, value) {
    if (column.hidden || this.sensitive.has(column.name)) return el("td", {}, el("span", { class: "eda-null" }, "hidden"));
    if (value === null || value === undefined) return el("td", {}, el("span", { class: "eda-null" }, "null"));
    return el("td", { class: column.kind === "number" ? "eda-number" : null, title: value.length > 30 ? value : null }, beginning(value));
  }
}
