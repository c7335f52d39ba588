/* What a change would do, as nodes: files, problems, uses, active runs, and what others saved meanwhile. */

import { el, freshId, icon, iconButton } from "../common/dom.js";
import { bytes } from "../common/sizes.js";

const KINDS = {
  new: ["New", "badge-ok"], replaces: ["Replaces", "badge-info"], same: ["Same", ""], deleted: ["Deleted", "badge-error"],
  renamed: ["Renamed", "badge-info"], refused: ["Refused", "badge-error"],
};
const LEVELS = { error: ["Error", "badge-error"], warning: ["Warning", "badge-warn"], note: ["Note", "badge-info"] };
const MOST = 200;
const FEW = 12; // files that need no scroll bar of their own

const badge = ([text, look]) => el("span", { class: `badge ${look}` }, text);

const lines = (count) => (count === 0 ? "lines moved" : count === 1 ? " line" : " lines");

function difference(file) {
  if (file.kind === "same" || file.kind === "refused" || file.kind === "renamed") return "";
  if (file.added === null) return bytes(file.size);
  const parts = [];
  if (file.added) parts.push(el("span", { class: "lines-added" }, `+${file.added}`));
  if (file.removed) parts.push(" ", el("span", { class: "lines-removed" }, `−${file.removed}`));
  return el("span", { class: "nowrap" }, ...parts, lines(file.added + file.removed));
}

/** A form that gives a refused file another name, or leaves it out. */
function remedy(file, owner) {
  const input = el("input", { id: freshId("as"), class: "mono", spellcheck: "false", autocomplete: "off" });
  input.value = file.suggestion;
  const use = () => input.value.trim() && owner.set("names", file.source, input.value.trim());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    use();
  });
  return el(
    "div", { class: "remedy" },
    el("p", { class: "field-error" }, file.refused),
    el("label", { for: input.id }, "Save it as"), input,
    el("button", { type: "button", class: "btn btn-small", onclick: use }, "Use this name"),
  );
}

const waits = (file) => Boolean(file.upgrade && !file.upgrade.chosen);

/** What is offered first: the upgrade of files that look old, with what it does to each. */
export function upgrades({ files }, owner) {
  const old = files.filter((file) => file.upgrade);
  if (!old.length) return null;
  return el(
    "section", { class: "alert alert-info upgrades", "aria-label": "Upgrade" },
    el("div", { class: "grow stack" }, ...old.slice(0, MOST).map((file) => upgrade(file, owner, old.length > 1)), allUpgrades(old, owner)),
  );
}

function upgrade(file, owner, several) {
  const { chosen, changes, notes, diff } = file.upgrade;
  const box = el("input", { type: "checkbox", id: freshId("upgrade"), onchange: () => owner.set("upgrade", file.source, box.checked) });
  box.checked = chosen;
  const note = (line) => el("li", { class: "break" }, badge(["Note", "badge-warn"]), ` ${line}`);
  const change = (line) => el("li", { class: "break" }, line);
  const shown = diff ? difflines(diff, `Upgrade of ${file.path}`) : null;
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return el(
    "div", { class: "upgrade" },
    several ? el("h3", { class: "break" }, file.path) : null,
    el("label", { for: box.id }, box, " Upgrade: this looks like code for Airflow 1 or 2"),
    ...(chosen
      ? [
          notes.length ? el("ul", {}, ...notes.map(note)) : null,
          changes.length ? el("details", {}, el("summary", {}, count(changes.length, "change")), el("ul", {}, ...changes.map(change))) : null,
          shown,
        ]
      : [
          el(
            "details", {}, el("summary", {}, `${count(changes.length, "change")}, ${count(notes.length, "note")}`),
            el("ul", {}, ...notes.map(note), ...changes.map(change)), shown,
          ),
        ]),
  );
}

function allUpgrades(old, owner) {
  if (old.filter(waits).length < 2) return null;
  const sources = old.map((file) => file.source);
  return el("div", {}, el("button", { type: "button", class: "btn btn-small", onclick: () => owner.setAll("upgrade", sources) }, `Upgrade all ${old.length}`));
}

/** A unified difference with coloured lines. */
function difflines(diff, label) {
  const look = (line) => (line.startsWith("+") ? "diff-add" : line.startsWith("-") ? "diff-del" : line.startsWith("@@") || line.startsWith("diff ") ? "diff-meta" : "");
  const lines = diff.split("\n").map((line) => el("span", { class: look(line) }, line || " "));
  return el("div", { class: "diff plan-diff", tabindex: "0", role: "region", "aria-label": label }, ...lines);
}

function fileRow(file, owner) {
  const from = file.was ? el("span", { class: "muted" }, `${file.was} → `) : null;
  return el(
    "tr", {},
    el("td", {}, badge(KINDS[file.kind])),
    el(
      "th", { scope: "row", class: "break" }, from, file.path,
      file.kind === "refused" ? remedy(file, owner) : null,
    ),
    el("td", { class: "number" }, difference(file)),
    owner.skips ? el("td", { class: "actions" }, iconButton("close", `Leave out ${file.path}`, () => owner.set("skip", file.source, true))) : null,
  );
}

/** The files of a plan, the refused ones first. */
export function fileTable(plan, owner) {
  const order = (file) => (file.kind === "refused" ? 0 : file.kind === "same" ? 2 : 1);
  const files = [...plan.files].sort((one, other) => order(one) - order(other));
  const head = ["Change", "File", "Difference"].map((text, index) => el("th", { scope: "col", class: index === 2 ? "number" : "" }, text));
  if (owner.skips) head.push(el("th", { scope: "col" }, el("span", { class: "visually-hidden" }, "Leave out")));
  const box = el(
    "div", { class: `table-box plan-files ${files.length > FEW ? "plan-many" : ""}`, tabindex: "0", role: "region", "aria-label": "Files" },
    el("table", { class: "table" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...files.slice(0, MOST).map((file) => fileRow(file, owner)))),
  );
  const more = [];
  if (files.length > MOST) more.push(`${(files.length - MOST).toLocaleString("en")} more files are not shown.`);
  if (plan.left_out?.length) more.push(`Left out as caches or folders of tools: ${plan.left_out.slice(0, 5).join(", ")}${plan.left_out.length > 5 ? ` and ${plan.left_out.length - 5} more` : ""}.`);
  return el("div", { class: "stack" }, box, more.length ? el("p", { class: "muted small break" }, more.join(" ")) : null, all(owner));
}

/** What is done to all files at once: put back what was left out. */
function all(owner) {
  const skipped = owner.settings.skip.length;
  const button = (text, onclick) => el("button", { type: "button", class: "btn btn-small", onclick }, text);
  const buttons = [
    skipped ? button(`Put back ${skipped === 1 ? "the file" : `${skipped} files`} left out`, () => owner.setAll("skip", [])) : null,
  ].filter(Boolean);
  return buttons.length ? el("div", { class: "bar" }, ...buttons) : null;
}

const place = ({ line, column }) => (line ? `line ${line}${column ? `, column ${column}` : ""}` : "");

/** What the gate found, file by file; what the offered upgrade may mend is folded. */
export function problemList({ problems, passed, files }) {
  if (!problems.length) return el("p", { class: "checked" }, icon("check"), "No problems found.");
  const item = (problem) =>
    el(
      "li", {},
      badge(LEVELS[problem.level]), " ",
      el("span", { class: "muted nowrap" }, place(problem)), " ",
      el("span", { class: "break pre-line" }, problem.message), " ",
      el("span", { class: "muted small" }, problem.code),
      problem.advice ? el("p", { class: "help break" }, problem.advice) : null,
    );
  const lists = (some) => [...group(some)].map(([path, list]) =>
    el("div", {}, path ? el("h4", { class: "break" }, path) : null, el("ul", { class: "problem-list" }, ...list.slice(0, MOST).map(item))));
  const old = new Set(files.filter(waits).map(({ path }) => path));
  const early = problems.filter(({ path }) => old.has(path));
  const others = problems.filter(({ path }) => !old.has(path));
  return el(
    "section", { class: "problems stack", "aria-label": "Problems" },
    el("h3", {}, passed ? "Warnings" : "Problems"),
    ...lists(others),
    early.length ? el("details", {}, el("summary", {}, `${early.length} of the text before the upgrade`), ...lists(early)) : null,
  );
}

function group(problems) {
  const files = new Map();
  for (const problem of problems) files.set(problem.path, [...(files.get(problem.path) ?? []), problem]);
  return files;
}

/** Who uses what is to go. */
export function useList({ uses = [] }) {
  if (!uses.length) return null;
  return el(
    "section", { class: "alert alert-warn uses", "aria-label": "Used by" },
    el("div", { class: "grow" },
      el("strong", {}, "Used by"),
      el("ul", {}, ...uses.slice(0, MOST).map((use) => el("li", { class: "break" }, `${use.path}, line ${use.line}: ${use.what}`)))),
  );
}

/** Runs of the DAGs that are to go, and that have not ended. */
export function runList({ runs = [], dags = [] }) {
  if (!dags.length && !runs.length) return null;
  return el(
    "div", { class: `alert ${runs.length ? "alert-warn" : "alert-info"}` },
    el("div", { class: "grow" },
      dags.length ? el("p", { class: "break" }, `${dags.length === 1 ? "This DAG disappears from Airflow, its" : "These DAGs disappear from Airflow, their"} past runs stay: ${dags.join(", ")}.`) : null,
      runs.length ? el("p", {}, "Runs that have not ended go on with the version that they started with:") : null,
      runs.length ? el("ul", {}, ...runs.map((run) => el("li", { class: "break" }, `${run.dag_id}, ${run.run_id} (${run.state})`))) : null),
  );
}

/** What somebody else saved: { commits: [{ author, when, message, paths }], diff }. */
export function meanwhileBox({ commits, diff }) {
  return el(
    "section", { class: "stack", "aria-label": "What was saved meanwhile" },
    ...commits.map(({ author, when, message }) =>
      el("p", { class: "break" }, `${author} saved “${message}” at ${new Date(when).toLocaleString("sv-SE")}.`)),
    diff ? difflines(diff, "Difference") : null,
    el("p", { class: "help" }, "Check again to compare with what is there now. Saving after that puts your change over theirs; their version stays in the history."),
  );
}
