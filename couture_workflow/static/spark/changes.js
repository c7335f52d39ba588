/* Differences between two versions as a table, secrets already masked by the server. */

import { ask } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { review } from "../common/review.js";

const SECTIONS = { arguments: "Argument", configurations: "Configuration", jars: "Jar", py_files: "Py-file" };
const KINDS = { added: ["Added", "badge-ok"], removed: ["Removed", "badge-error"], changed: ["Changed", "badge-info"] };
const MASK = "******";

const name = (change) => (change.name === "order" ? "Order of the files" : change.name);
const isSecret = (change) => change.old === MASK || change.new === MASK;
const text = (value) => (value === MASK ? "••••••" : value);

function row(change) {
  const [label, look] = KINDS[change.kind];
  const isFile = change.section === "jars" || change.section === "py_files";
  const secret = isSecret(change) && change.kind === "changed";
  return el(
    "tr", {},
    el("td", {}, el("span", { class: `badge ${look}` }, label)),
    el("th", { scope: "row" }, el("span", { class: "mono break" }, name(change)), el("span", { class: "muted small change-section" }, SECTIONS[change.section])),
    el("td", { class: "mono break change-old" }, change.kind === "added" || (isFile && change.name !== "order") ? "" : text(change.old)),
    el("td", { class: "mono break change-new" }, change.kind === "removed" || (isFile && change.name !== "order") ? "" : text(change.new), secret ? " (another secret)" : ""),
  );
}

/** The table; `heads` names the columns of the two values. */
export function changesTable(changes, { label, heads = ["Before", "After"] }) {
  if (!changes.length) return el("p", { class: "muted" }, "No differences.");
  const head = ["Change", "Name", ...heads].map((title) => el("th", { scope: "col" }, title));
  return el(
    "div", { class: "table-box", tabindex: "0", role: "region", "aria-label": label },
    el("table", { class: "table changes" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...changes.map(row))),
  );
}

/** Show what would be saved and ask for a message; the page saves it. */
export const reviewChanges = (changes, message) =>
  review({
    title: "Review changes",
    content: [changesTable(changes, { label: "Changes" })],
    message,
    placeholder: "Empty: a summary of the changes",
    note: "Jobs that start after the save use it. Jobs that run now do not change.",
  });

/** Tell of a newer version by somebody else: resolves to "carry", "drop" or "". */
export function conflict({ author, when, message, theirs, clashes }) {
  const moment = new Date(when).toLocaleString("sv-SE");
  return ask({
    title: "Somebody else saved meanwhile",
    content: [
      el("p", {}, `${author} saved “${message}” at ${moment}. Nothing of yours was saved or lost.`),
      el("h3", {}, "What they changed"),
      changesTable(theirs, { label: "What they changed" }),
      ...(clashes.length
        ? [
            el("h3", {}, "What you both changed"),
            el("p", { class: "help" }, "If you carry your changes over, yours count here. Review comes before the save."),
            changesTable(clashes, { label: "What you both changed", heads: ["Theirs", "Yours"] }),
          ]
        : []),
    ],
    buttons: [
      { label: "Back" },
      { label: "Drop my changes", value: "drop", look: "btn-danger" },
      { label: "Carry my changes over", value: "carry", look: "btn-primary" },
    ],
  });
}
