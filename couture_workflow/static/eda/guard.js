/* The rules of fail_when in a form (eda/_guard.html): filled from a mapping, read back as one. */

import { el, freshId, iconButton } from "../common/dom.js";

/* Rules that a single column can have. */
const BY_COLUMN = {
  missing: "missing, more than",
  drift: "drift (PSI), more than",
  ks: "drift (Kolmogorov-Smirnov), more than",
  new_categories: "a new value",
};
const PREFIX = "column:";

const part = (form) => form.querySelector("[data-guard]");

/* A column that is called as "any" is, or begins as the prefix does, is written with the prefix. */
const escaped = (column) => (column === "any" || column.startsWith(PREFIX) ? PREFIX + column : column);
const plain = (name) => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);

/* What was typed: a number if it is one, else the text, such as 10%, which the server reads or refuses. */
const typed = (text) => (/^-?\d+(\.\d+)?$/.test(text.replaceAll(",", "")) ? Number(text.replaceAll(",", "")) : text);

/* A limit as it stands in a field. */
function said(limit) {
  if (limit === null || limit === undefined) return "";
  if (typeof limit === "object") return limit.share === undefined ? said(limit.max) : share(limit.share);
  return String(limit);
}

const share = (value) => (typeof value === "number" ? `${Number((value * 100).toPrecision(12))}%` : String(value));

function addColumn(list, rule = "missing", column = "", limit = "") {
  const ids = { rule: freshId("guard-rule"), column: freshId("guard-column"), limit: freshId("guard-limit") };
  const choice = el("select", { id: ids.rule, "data-part": "rule" });
  for (const [value, label] of Object.entries(BY_COLUMN)) choice.append(el("option", { value }, label));
  choice.value = rule;
  const limited = el("input", { id: ids.limit, "data-part": "limit", autocomplete: "off", placeholder: "no limit" });
  limited.value = limit;
  const name = el("input", { id: ids.column, "data-part": "column", autocomplete: "off", placeholder: "Column" });
  name.value = column;
  const hidden = (id, text) => el("label", { class: "visually-hidden", for: id }, text);
  const item = el(
    "li",
    { class: "bar" },
    hidden(ids.column, "Column"),
    name,
    hidden(ids.rule, "Rule"),
    choice,
    hidden(ids.limit, "Limit"),
    limited,
    iconButton("trash", "Remove this rule", () => {
      item.dispatchEvent(new Event("input", { bubbles: true })); // the form has changed
      const next = item.nextElementSibling ?? item.previousElementSibling ?? item.closest("[data-guard]");
      item.remove();
      next.querySelector("li button, [data-guard-add]").focus();
    }),
  );
  const adapt = () => {
    limited.hidden = choice.value === "new_categories";
  };
  choice.addEventListener("change", adapt);
  adapt();
  list.append(item);
  return name;
}

function fill(box, rules) {
  for (const field of box.querySelectorAll("[data-guard-number]")) {
    const [rule, key] = field.dataset.guardNumber.split(".");
    const value = rules[rule];
    const isMapping = value !== null && typeof value === "object";
    if (key === undefined) field.value = said(value);
    else if (isMapping) field.value = said(value[key]);
    else if (key === "any") field.value = said(value);
    else field.value = "";
  }
  const asked = rules.columns === "changed" ? ["added", "removed", "retyped"] : [rules.columns ?? []].flat();
  for (const tick of box.querySelectorAll("[data-guard-change]")) tick.checked = asked.includes(tick.value);
  const fresh = [rules.new_categories ?? []].flat();
  box.querySelector("[data-guard-new]").checked = fresh.includes("any");
  const list = box.querySelector("[data-guard-columns]");
  list.replaceChildren();
  for (const rule of ["missing", "drift", "ks"]) {
    if (rules[rule] === null || typeof rules[rule] !== "object") continue;
    for (const [name, limit] of Object.entries(rules[rule])) {
      if (name !== "any") addColumn(list, rule, plain(name), said(limit));
    }
  }
  for (const name of fresh) if (name !== "any") addColumn(list, "new_categories", plain(name));
}

/** Fill the part of a form from its data-rules, or from other rules, and let it work. */
export function attachGuard(form, rules) {
  const box = part(form);
  fill(box, rules ?? JSON.parse(box.dataset.rules || "{}"));
  if (box.dataset.ready) return;
  box.dataset.ready = "yes";
  box.querySelector("[data-guard-add]").addEventListener("click", () => {
    addColumn(box.querySelector("[data-guard-columns]")).focus();
  });
  box.addEventListener("input", () => showGuardError(form, ""));
}

/** Return the rules of a form as a mapping for the server, which checks them; {} for none. */
export function readGuard(form) {
  const box = part(form);
  const rules = {};
  for (const field of box.querySelectorAll("[data-guard-number]")) {
    const text = field.value.trim();
    if (!text) continue;
    const [rule, key] = field.dataset.guardNumber.split(".");
    if (key === undefined) rules[rule] = typed(text);
    else rules[rule] = { ...rules[rule], [key]: typed(text) };
  }
  const changes = [...box.querySelectorAll("[data-guard-change]:checked")].map((tick) => tick.value);
  if (changes.length) rules.columns = changes;
  const fresh = box.querySelector("[data-guard-new]").checked ? ["any"] : [];
  for (const item of box.querySelectorAll("[data-guard-columns] > li")) {
    const value = (name) => item.querySelector(`[data-part="${name}"]`).value;
    const [rule, column, limit] = [value("rule"), value("column"), value("limit").trim()];
    if (!column && !limit) continue;
    if (rule === "new_categories") fresh.push(escaped(column));
    else rules[rule] = { ...rules[rule], [escaped(column)]: limit ? typed(limit) : null };
  }
  if (fresh.length) rules.new_categories = fresh;
  return rules;
}

/** Show what the server has against the rules, "" for nothing; tells whether an ApiError was about them. */
export function showGuardError(form, error) {
  const place = part(form).querySelector("[data-guard-error]");
  const isOurs = typeof error === "string" || String(error.field ?? "").startsWith("fail_when");
  place.textContent = typeof error === "string" ? error : isOurs ? error.message : "";
  if (isOurs && error) place.scrollIntoView({ block: "center" });
  return isOurs;
}
