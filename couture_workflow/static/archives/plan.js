/* The plan of an import: what becomes of each file, what stands in the way, and the button that does it. */

import { el } from "../common/dom.js";
import { bytes } from "../common/sizes.js";

const ACTIONS = {
  create: ["New", "badge-ok"],
  update: ["Replaced", "badge-info"],
  same: ["Same", ""],
  skip: ["Left as it is", ""],
  conflict: ["Conflict", "badge-error"],
};
const ORDER = ["conflict", "update", "create", "skip", "same"];
const MOST_ROWS = 1000;

const row = (noted) => (item) => {
  const [word, look] = ACTIONS[item.action];
  return el(
    "tr",
    {},
    el("td", { class: "nowrap" }, el("span", { class: `badge ${look}` }, word)),
    el("th", { scope: "row", class: "path break" }, item.path),
    el("td", { class: "number nowrap" }, bytes(item.size)),
    noted && el("td", { class: "small break" }, item.note ?? ""),
  );
};

function table(items) {
  const sorted = [...items].sort(
    (one, other) => ORDER.indexOf(one.action) - ORDER.indexOf(other.action) || (one.path < other.path ? -1 : 1),
  );
  const noted = items.some((item) => item.note);
  const heads = [
    el("th", { scope: "col", class: "action" }, el("span", { class: "visually-hidden" }, "What becomes of it")),
    el("th", { scope: "col" }, "Path"),
    el("th", { scope: "col", class: "number" }, "Size"),
    noted && el("th", { scope: "col" }, "Note"),
  ].filter(Boolean);
  return el(
    "div",
    { class: "table-box plan-table", tabindex: "0", role: "region", "aria-label": "Files of the archive" },
    el(
      "table",
      { class: "table" },
      el("thead", {}, el("tr", {}, ...heads)),
      el("tbody", {}, ...sorted.slice(0, MOST_ROWS).map(row(noted))),
    ),
  );
}

function list(kind, title, lines) {
  if (!lines.length) return null;
  return el(
    "div",
    { class: `alert alert-${kind}` },
    el(
      "div",
      { class: "grow" },
      el("strong", {}, title),
      el("ul", { class: "plan-list" }, ...lines.slice(0, MOST_ROWS).map((line) => el("li", {}, line))),
    ),
  );
}

const place = ({ path, line, message, advice }) =>
  `${path ? `${path}${line ? `:${line}` : ""}: ` : ""}${message}${advice ? ` ${advice}` : ""}`;

const upgradedLines = (upgraded) =>
  Object.entries(upgraded).flatMap(([path, told]) => [
    ...told.changes.map((change) => place({ path, ...change })),
    ...told.notes.map((note) => `Look at ${place({ path, ...note })}`),
  ]);

/** showPlan(container, plan, { mayOverride, onImport(message, override), onCancel }) */
export function showPlan(container, plan, { mayOverride, onImport, onCancel }) {
  const { counts, items, missing, ignored, notes, gate, upgraded } = plan;
  const of = (level) => (gate?.problems ?? []).filter((problem) => problem.level === level).map(place);
  const words = ORDER.filter((action) => counts[action]).map((action) => `${ACTIONS[action][0]}: ${counts[action]}`);
  const blocking = missing.filter((each) => each.blocks);
  const failed = Boolean(gate) && !gate.passed;
  const blocked = counts.conflict > 0 || blocking.length > 0;
  const idle = !counts.create && !counts.update;
  const message = el("input", { id: "message", maxlength: "2000", autocomplete: "off" });
  const override = failed && mayOverride && !blocked;
  const button = el(
    "button",
    {
      type: "button",
      class: `btn ${override ? "btn-danger" : "btn-primary"}`,
      "data-import": true,
      disabled: idle || blocked || (failed && !mayOverride),
      onclick: () => onImport(message.value, override),
    },
    override ? "Import in spite of errors" : "Import",
  );
  const warnings = gate ? of("warning") : missing.filter((each) => !each.blocks).map((each) => each.message);
  container.replaceChildren(
    ...[
      el("h3", {}, `Plan: ${words.join(", ") || "nothing to do"}`),
      idle && !blocked ? el("p", { class: "alert alert-info" }, "Nothing would change: all of it is here already, or stays as it is.") : null,
      counts.conflict
        ? el("p", { class: "alert alert-error" }, "Some files are here with another content. Choose above what to do.")
        : null,
      list("error", "Missing: import or upload these first", blocking.map((each) => each.message)),
      list("error", "The save gate found errors", of("error")),
      list("warn", "Worth a look", warnings),
      list("info", "Rewritten by the upgrade", upgradedLines(upgraded)),
      list("info", "To know", notes),
      list("info", "Left out: leftovers of other programs", ignored),
      items.length ? table(items) : null,
      items.length > MOST_ROWS ? el("p", { class: "muted small" }, `The first ${MOST_ROWS} of ${items.length} files.`) : null,
      plan.noun === "dependencies"
        ? null
        : el("div", { class: "field" }, el("label", { for: "message" }, "Message for the history"), message),
      el(
        "div",
        { class: "bar" },
        button,
        el("button", { type: "button", class: "btn", onclick: onCancel }, "Cancel"),
      ),
    ].filter(Boolean),
  );
}
