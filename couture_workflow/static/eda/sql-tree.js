/* The fields of a source in a SQL database: a tree of its tables to choose from, or a query. */

import { api, get } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { el } from "../common/dom.js";
import { Question } from "../common/question.js";

/* With so many tables or fewer, every schema is open. */
const FEW = 60;

const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** Let a person choose a table of the chosen connection from a tree, or write a query; what is not shown is not sent. */
export function attachSqlTree(form) {
  const box = form.querySelector("[data-sql]");
  const { sql_connection: connection, sql_schema: schema, sql_table: table, sql_query: query } = form.elements;
  const tree = box.querySelector("#sql-tree");
  const state = box.querySelector("#sql-tree-state");
  const filter = box.querySelector("#sql-filter");
  const typed = { schema: schema.value, table: table.value, query: query.value };
  let asked = null;

  const mode = () => form.elements.read_from.value;
  const isShown = () => form.elements.kind.value === "sql" && mode() === "table";
  const address = (what, given) => {
    const id = connection.value.split("/").map(encodeURIComponent).join("/");
    return api(`/eda/connections/${id}/${what}?${new URLSearchParams(given)}`);
  };

  function tell(text, { wrong = false } = {}) {
    state.textContent = text;
    state.classList.toggle("field-error", wrong);
    state.classList.toggle("help", !wrong);
  }

  function mark() {
    for (const button of tree.querySelectorAll("button")) {
      const { schema: place, name } = button.dataset;
      button.setAttribute("aria-pressed", String(name === table.value && (place === schema.value || !schema.value)));
    }
  }

  function choose(place, name) {
    [schema.value, table.value] = [place, name];
    table.dispatchEvent(new Event("input", { bubbles: true }));
    mark();
  }

  async function columns(content, place, name) {
    content.textContent = "Asking…";
    const { columns: found } = await get(address("columns", { schema: place, table: name }));
    const items = found.map((column) =>
      el("li", {}, el("span", { class: "mono break" }, column.name), " ", el("span", { class: "muted" }, column.type)),
    );
    content.replaceChildren(items.length ? el("ul", { class: "sql-columns" }, ...items) : "It has no columns.");
  }

  function row(place, { name, kind, rows }) {
    const about = [kind === "view" ? "view" : "", rows === null ? "" : `about ${plural(rows, "row")}`].filter(Boolean).join(", ");
    const button = el(
      "button",
      { type: "button", class: "sql-name", "data-schema": place, "data-name": name, "aria-pressed": "false", onclick: () => choose(place, name) },
      el("span", { class: "mono break" }, name),
      about ? el("span", { class: "muted small" }, ` ${about}`) : null,
    );
    const content = el("div", { "data-content": true, class: "small" });
    const details = el("details", { class: "sql-about" }, el("summary", { "aria-label": `Columns of ${name}` }, "Columns"), content);
    whenOpened(details, (inside) => columns(inside, place, name));
    return el("li", { class: "sql-row" }, button, details);
  }

  function show({ schemas, more }) {
    const count = schemas.reduce((sum, { tables }) => sum + tables.length, 0);
    const parts = schemas.map(({ name, tables }) =>
      el(
        "details",
        { class: "sql-schema", open: count <= FEW || name === schema.value },
        el("summary", {}, el("span", { class: "mono break" }, name), el("span", { class: "muted small" }, ` ${plural(tables.length, "table")}`)),
        el("ul", {}, ...tables.map((each) => row(name, each))),
      ),
    );
    tree.replaceChildren(...parts);
    mark();
    if (!count) tell(filter.value.trim() ? "No name has this in it." : "There is no table that its user may read.");
    else tell(more ? `The first ${count.toLocaleString("en")} tables: type a part of the name to find others.` : plural(count, "table"));
  }

  const look = new Question({
    ask: () => {
      tell("Asking the database…");
      return get(address("tables", { filter: filter.value.trim() }));
    },
    show,
    failed: (error) => {
      tree.replaceChildren();
      tell(error.message, { wrong: true });
    },
  });

  function ask({ soon = false } = {}) {
    if (!isShown()) return;
    const wanted = `${connection.value}\n${filter.value.trim()}`;
    if (wanted === asked) return;
    asked = wanted;
    if (!connection.value) {
      look.forget();
      tree.replaceChildren();
      tell("Choose a connection to see its tables.");
    } else if (soon) look.soon();
    else look.now();
  }

  function follow() {
    const hidden = mode() === "table" ? { query } : { schema, table };
    const shown = mode() === "table" ? { schema, table } : { query };
    for (const part of box.querySelectorAll("[data-sql-shown]")) part.hidden = part.dataset.sqlShown !== mode();
    for (const [name, field] of Object.entries(hidden)) if (field.value) [typed[name], field.value] = [field.value, ""];
    for (const [name, field] of Object.entries(shown)) field.value ||= typed[name];
    mark();
    ask();
  }

  for (const radio of form.querySelectorAll("[name='read_from']")) radio.addEventListener("change", follow);
  for (const radio of form.querySelectorAll("[name='kind']")) radio.addEventListener("change", () => ask());
  connection.addEventListener("change", () => ask());
  filter.addEventListener("input", () => ask({ soon: true }));
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  for (const field of [schema, table]) field.addEventListener("input", mark);
  follow();
}
