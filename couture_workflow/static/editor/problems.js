/* Problems underlined while typing (ruff, on the server) and those that the gate found, in one list. */

import { Annotation, ViewPlugin, forEachDiagnostic, linter, setDiagnostics } from "../vendor/codemirror.js";
import { page, post } from "../common/api.js";
import { el } from "../common/dom.js";
import { isPython } from "./setup.js";

const QUIET = 400;
const SEVERITY = { error: "error", warning: "warning", note: "info" };

/** The extension and its controls: showGate(view, problems of a report), isUnknown(view); `told()` after each change. */
export function problems(path, told) {
  const plugin = ViewPlugin.define((view) => new Checker(view, path, told));
  return {
    extension: [linter(null), plugin],
    showGate: (view, found) => view.plugin(plugin).showGate(found),
    isUnknown: (view) => view.plugin(plugin).unknown,
  };
}

const fixed = Annotation.define();

class Checker {
  constructor(view, path, told) {
    Object.assign(this, { view, path, told, quick: [], gate: [], asked: 0, unknown: false });
    if (isPython(path)) this.later(0);
  }

  update(update) {
    if (!update.docChanged) return;
    const moved = (list) =>
      list
        .map((each) => ({ ...each, from: update.changes.mapPos(each.from, 1), to: update.changes.mapPos(each.to, -1) }))
        .map((each) => ({ ...each, to: Math.max(each.from, each.to) }));
    this.gate = moved(this.gate);
    this.quick = moved(this.quick);
    this.asked += 1; // an answer under way is about a text that is no more
    this.later(update.transactions.some((each) => each.annotation(fixed)) ? 0 : QUIET);
  }

  later(milliseconds) {
    if (!isPython(this.path)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), milliseconds);
  }

  async ask() {
    const mine = (this.asked += 1);
    const { doc } = this.view.state;
    let found;
    try {
      ({ problems: found } = await post(page("/dag-editor/problems"), { path: this.path, content: doc.toString() }));
    } catch {
      this.unknown = true; // the state of the draft says why; the next key asks again
      return this.told();
    }
    if (mine !== this.asked) return;
    this.unknown = false;
    this.quick = found.map((problem) => this.diagnostic(problem));
    this.show();
  }

  showGate(found) {
    this.gate = found
      .filter((problem) => !problem.path || problem.path === this.path)
      .map((problem) => ({ ...this.diagnostic(problem), gate: true }));
    this.show();
  }

  show() {
    // The gate runs ruff too: what both say is said once.
    const key = ({ from, source }) => `${this.view.state.doc.lineAt(from).number} ${source}`;
    const known = new Set(this.quick.map(key));
    const all = [...this.quick, ...this.gate.filter((each) => !known.has(key(each)))];
    this.view.dispatch(setDiagnostics(this.view.state, all));
    this.told();
  }

  diagnostic({ level, code, message, line, column, end_line, end_column, advice, fix }) {
    const { doc } = this.view.state;
    const written = textOf(doc, line || 1);
    const from = column ? position(doc, line || 1, column) : written.from;
    const to = end_line ? position(doc, end_line, end_column || 1) : written.to;
    return {
      from,
      to: Math.max(from, to),
      severity: SEVERITY[level] ?? "warning",
      source: code,
      message: advice ? `${message} ${advice}` : message,
      renderMessage: () => el("span", {}, message, advice ? el("span", { class: "muted" }, ` ${advice}`) : null),
      actions: fix ? [this.action(fix, doc)] : [],
    };
  }

  action({ title, safe, edits }, doc) {
    return {
      name: safe ? "Fix" : "Fix (look at it)",
      title,
      apply: (view) => {
        if (view.state.doc !== doc) return; // found in another text; the next answer brings the fix again
        const changes = edits.map(([line, column, endLine, endColumn, insert]) => ({
          from: position(doc, line, column), to: position(doc, endLine, endColumn), insert,
        }));
        view.dispatch({ changes, userEvent: "input.fix", annotations: fixed.of(true) });
      },
    };
  }
}

/** An offset from a line and a column in characters, as ruff counts them: CodeMirror counts UTF-16 units. */
function position(doc, line, column) {
  if (line > doc.lines) return doc.length;
  const { from, text } = doc.line(Math.max(line, 1));
  return from + [...text].slice(0, Math.max(column - 1, 0)).join("").length;
}

/** Where the text of a line is, without its indentation and what is blank at its end. */
function textOf(doc, line) {
  if (line > doc.lines) return { from: doc.length, to: doc.length };
  const { from, text } = doc.line(Math.max(line, 1));
  const start = from + text.length - text.trimStart().length;
  return { from: start, to: Math.max(start, from + text.trimEnd().length) };
}

/** How many problems are shown: { error, warning, info }. */
export function counts(state) {
  const found = { error: 0, warning: 0, info: 0 };
  forEachDiagnostic(state, ({ severity }) => (found[severity] += 1));
  return found;
}
