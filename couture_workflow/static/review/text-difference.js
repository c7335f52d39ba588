/*
 * The difference between two texts: side by side where there is room, in one column where there is not. A text that is
 * new or gone as a whole has all the width, and one background.
 *
 *   const shown = new TextDifference(box, { path, old, text, editable, names: ["Version now", "Yours"], onChange });
 *   shown.text   shown.count()   shown.next(1 or -1)   shown.goTo("L12C3")   shown.problems([...])   shown.destroy()
 */

import { el } from "../common/dom.js";
import { follow, goTo, language, look, readOnly } from "../editor/setup.js";
import {
  EditorState, EditorView, MergeView, Transaction, defaultKeymap, drawSelection, foldGutter, getChunks, goToNextChunk,
  goToPreviousChunk, highlightSpecialChars, highlightSelectionMatches, history, historyKeymap, indentUnit, keymap, lineNumbers,
  lintGutter, lintKeymap, search, searchKeymap, setDiagnostics, tooltips, unifiedMergeView,
} from "../vendor/codemirror.js";

const NARROW = matchMedia("(max-width: 900px)");
const COLLAPSE = { margin: 3, minSize: 6 };
const DIFF = { scanLimit: 2000, timeout: 400 };

const theme = EditorView.theme({
  "&": { height: "auto" },
  ".cm-content": { paddingBottom: "4px" },
  ".cm-collapsedLines": {
    color: "var(--fg-muted)", background: "var(--bg-muted)", fontFamily: "var(--font)", padding: "3px 8px",
  },
  ".cm-changedLine, .cm-insertedLine": { backgroundColor: "var(--difference-new)" },
  "&.cm-merge-a .cm-changedLine, .cm-deletedChunk": { backgroundColor: "var(--difference-old)" },
  "& .cm-changedText, &.cm-merge-b .cm-changedText": { background: "var(--difference-new-text)" },
  "&.cm-merge-a .cm-changedText, & .cm-deletedChunk .cm-deletedText, & .cm-deletedLine del": {
    background: "var(--difference-old-text)", textDecoration: "none",
  },
  ".cm-collapsedLines::before, .cm-collapsedLines::after": { content: '""', margin: "0" },
  "&.cm-merge-a .cm-changedLineGutter, .cm-deletedLineGutter": { background: "var(--dag-removed)" },
  "&.cm-merge-b .cm-changedLineGutter, .cm-changedLineGutter": { background: "var(--dag-added)" },
});

const whole = (colour) => EditorView.theme({ ".cm-content": { backgroundColor: `var(--difference-${colour})` } });

const parts = (path, label) => [
  theme, look(), EditorView.lineWrapping, language(path), lineNumbers(), foldGutter(), highlightSpecialChars(), drawSelection(), search({ top: true }),
  highlightSelectionMatches(), EditorState.tabSize.of(4), indentUnit.of("    "), tooltips({ position: "fixed" }),
  EditorState.phrases.of({ "$ unchanged lines": "⋯ $ unchanged lines" }),
  EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
  keymap.of([...searchKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
];

/** A button that puts a block back; the view listens to the mouse alone, so a key press becomes one. */
function revertButton(act) {
  const button = el("button", { type: "button", class: "revert-block", title: "Put this block back as it was", "aria-label": "Revert this block" }, "→");
  if (act) {
    button.textContent = "Revert this block";
    button.addEventListener("mousedown", act);
  }
  button.addEventListener("click", (event) => {
    if (event.detail === 0) button.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, cancelable: true }));
  });
  return button;
}

export class TextDifference {
  #box;
  #options;
  #view;
  #merge = null;
  #text;
  #eol;
  #found = [];
  #redraw = () => this.#draw();

  constructor(box, options) {
    this.#box = box;
    this.#options = { names: ["Before", "After"], editable: false, onChange: () => {}, ...options };
    this.#text = options.text;
    this.#eol = /\r\n/.test(options.text) && !/[^\r]\n/.test(options.text) ? "\r\n" : "\n";
    NARROW.addEventListener("change", this.#redraw);
    this.#draw();
  }

  /** The new text, with the ends of lines that it came with. */
  get text() {
    return this.#text;
  }

  count() {
    return getChunks(this.#view.state)?.chunks.length ?? 0;
  }

  /** Go to the next changed block (1) or the one before (-1). */
  next(direction) {
    (direction > 0 ? goToNextChunk : goToPreviousChunk)(this.#view);
    this.#view.focus();
  }

  goTo(place) {
    goTo(this.#view, place);
    this.#view.focus();
  }

  /** Underline what the gate found: [{ level, message, advice, line, column, end_line, end_column }]. */
  problems(found) {
    this.#found = found;
    const { doc } = this.#view.state;
    const at = (line, column) => {
      const row = doc.line(Math.max(1, Math.min(line, doc.lines)));
      return Math.min(row.from + Math.max(0, column - 1), row.to);
    };
    const places = found.filter(({ line }) => line > 0).map((problem) => {
      const from = at(problem.line, problem.column || 1);
      const to = problem.end_line ? at(problem.end_line, problem.end_column || 1) : at(problem.line, problem.column ? problem.column + 1 : 1e9);
      return { from, to: Math.max(from, to), severity: problem.level === "note" ? "info" : problem.level, source: problem.code, message: [problem.message, problem.advice].filter(Boolean).join("\n") };
    });
    this.#view.dispatch(setDiagnostics(this.#view.state, places));
  }

  destroy() {
    NARROW.removeEventListener("change", this.#redraw);
    this.#clear();
  }

  #clear() {
    (this.#merge ?? this.#view)?.destroy();
    this.#merge = null;
    this.#box.replaceChildren();
  }

  #draw() {
    this.#clear();
    const { old, path, names, editable } = this.#options;
    const mine = [
      ...parts(path, `${names[1]}: ${path}`), lintGutter(), history(), editable ? [] : readOnly(),
      EditorView.updateListener.of((update) => this.#changed(update)),
    ];
    const gone = !editable && !this.#text;
    if (!old || gone) this.#alone(gone && old ? [...parts(path, `${names[0]}: ${path}`), readOnly(), whole("old")] : [...mine, whole("new")], gone ? old : this.#text);
    else if (NARROW.matches) this.#inline(old, mine, editable);
    else this.#beside(old, mine, path, names, editable);
    if (this.#found.length) this.problems(this.#found);
  }

  #alone(extensions, doc) {
    this.#view = follow(new EditorView({ doc, extensions, parent: this.#box }));
  }

  #beside(old, mine, path, names, editable) {
    this.#merge = new MergeView({
      a: { doc: old, extensions: [...parts(path, `${names[0]}: ${path}`), readOnly()] },
      b: { doc: this.#text, extensions: mine },
      parent: this.#box, gutter: true, highlightChanges: true, collapseUnchanged: COLLAPSE, diffConfig: DIFF,
      ...(editable ? { revertControls: "a-to-b", renderRevertControl: () => revertButton() } : {}),
    });
    for (const view of [this.#merge.a, this.#merge.b]) follow(view);
    this.#view = this.#merge.b;
  }

  #inline(old, mine, editable) {
    const controls = (type, act) => (type === "reject" ? revertButton(act) : el("span", { hidden: true }));
    const merge = unifiedMergeView({
      original: old, gutter: true, highlightChanges: true, collapseUnchanged: COLLAPSE, diffConfig: DIFF,
      mergeControls: editable ? controls : false, allowInlineDiffs: false,
    });
    this.#view = follow(new EditorView({ doc: this.#text, extensions: [...mine, merge], parent: this.#box }));
  }

  #changed(update) {
    if (!update.docChanged || !update.transactions.some((each) => each.annotation(Transaction.addToHistory) !== false)) return;
    this.#text = update.state.doc.toString().replaceAll("\n", this.#eol);
    this.#options.onChange(this.#text);
  }
}

/** Draw a difference in place of what a box holds. */
export function showDifference(box, options) {
  box.classList.add("file-difference");
  return new TextDifference(box, options);
}
