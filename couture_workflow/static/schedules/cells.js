/* The difference between the copy that runs and the notebook of now, cell by cell. */

import { whenOpened } from "../common/details.js";
import { el } from "../common/dom.js";
import { showDifference } from "../review/text-difference.js";

const LOOKS = {
  added: ["new", "badge-ok"], removed: ["removed", "badge-error"], changed: ["changed", "badge-info"],
};
const OPENED = 8;

function cell({ change, number, kind, old, new: text }, open) {
  const [label, look] = LOOKS[change];
  const box = el("div", { "data-content": true });
  const details = el(
    "details", { class: "cell-difference" },
    el("summary", {}, el("strong", {}, `Cell ${number}`), " ", el("span", { class: `badge ${look}` }, label), " ", el("span", { class: "muted small" }, kind)),
    box,
  );
  const path = kind === "code" ? "cell.py" : "cell.md";
  whenOpened(details, () => showDifference(box, { path, old, text, names: ["The copy", "The notebook"] }));
  details.open = open;
  return el("li", {}, details);
}

/** Nodes that show what differs: { cells, more, problem }. */
export function cellDifferences({ cells, more, problem }) {
  if (problem) return [el("p", { class: "alert alert-warn" }, problem)];
  if (!cells.length) return [el("p", { class: "muted" }, "The cells are the same: something else in the notebook differs, or a file beside it.")];
  return [
    el("ol", { class: "stack plain" }, ...cells.map((each, index) => cell(each, index < OPENED))),
    more ? el("p", { class: "muted small" }, `and ${more.toLocaleString("en")} more`) : null,
  ].filter(Boolean);
}
