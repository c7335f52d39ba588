/* What the save gate says: a line about it all, and each finding with the way to its place. */

import { confirm } from "../common/dialog.js";
import { el } from "../common/dom.js";

const LOOKS = { error: ["Error", "badge-error"], warning: ["Warning", "badge-warn"], note: ["Note", "badge-info"] };
const MOST = 100;

const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** "2 errors, 1 warning". */
function tally(problems) {
  const of = (level) => problems.filter((problem) => problem.level === level).length;
  const parts = [["error", "error"], ["warning", "warning"], ["note", "note"]].map(([level, noun]) => of(level) && count(of(level), noun));
  return parts.filter(Boolean).join(", ") || "no problems";
}

/** What the gate said, as a sentence. */
export const verdict = (problems) => (problems.length ? `The gate found ${tally(problems)}.` : "The gate found no problems.");

/** Ask whether something goes live with its errors; `action` is what the button says. */
export const confirmErrors = ({ title, errors, action }) =>
  confirm({
    title, action, danger: true, details: errors.map(line),
    text: "It goes live as it is, and the audit log says who did it. These errors stay:",
  });

/** One finding as a line of text, for a confirmation. */
const line = ({ path, line: row, message }) => `${path ? `${path}${row ? `:${row}` : ""}: ` : ""}${message}`;

function item(problem, onOpen) {
  const [label, look] = LOOKS[problem.level] ?? LOOKS.note;
  const where = problem.path + (problem.line ? `:${problem.line}` : "");
  const place = problem.path && onOpen
    ? el("button", { type: "button", class: "problem-place mono break", onclick: () => onOpen(problem) }, where)
    : el("span", { class: "mono break" }, where);
  return el(
    "li", { class: "problem" },
    el("span", { class: `badge ${look}` }, label),
    el("div", { class: "grow" }, el("p", { class: "problem-text break" }, problem.message), problem.advice ? el("p", { class: "muted small break problem-text" }, problem.advice) : null, el("p", { class: "small" }, place, " ", el("span", { class: "muted" }, problem.code))),
  );
}

/** The list of findings; `onOpen(problem)` makes their places buttons. */
export function problemList(problems, onOpen) {
  const more = problems.length - MOST;
  return el(
    "ul", { class: "problems", "aria-label": "Problems" },
    ...problems.slice(0, MOST).map((problem) => item(problem, onOpen)),
    more > 0 ? el("li", { class: "muted" }, `and ${more} more`) : null,
  );
}
