/* CodeMirror as our pages use it: colours of the page (light and dark, live), languages, keys. Pages that show code
   without the editor around it (the review) take `look`, `language` and `readOnly` from here. */

import {
  Compartment, EditorState, EditorView, autocompletion, bracketMatching, closeBrackets, closeBracketsKeymap,
  completionKeymap, classHighlighter, crosshairCursor, defaultKeymap, drawSelection, dropCursor, foldGutter, foldKeymap,
  gotoLine, highlightActiveLine, highlightActiveLineGutter, highlightSelectionMatches, highlightSpecialChars, history,
  historyKeymap, indentOnInput, indentUnit, indentWithTab, json, keymap, lineNumbers, lintKeymap, markdown, python,
  rectangularSelection, search, searchKeymap, sql, syntaxHighlighting, tooltips, yaml,
} from "../vendor/codemirror.js";
import { xml } from "./xml.js";

const root = document.documentElement;

/* Colours are variables of the page, so they change with it. CodeMirror's own style sheet comes behind the page's,
   hence a theme of CodeMirror instead of a style sheet. */
const theme = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--bg)", color: "var(--fg)", fontSize: "var(--code-size, 13px)" },
  "&.cm-focused": { outline: "none" }, // the cursor and its line show where the focus is
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto" },
  ".cm-content": { caretColor: "var(--fg)", paddingBottom: "40vh" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--fg)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--bg)", color: "var(--fg-muted)", borderRight: "1px solid var(--border)" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 6px 0 12px" },
  ".cm-foldGutter .cm-gutterElement": { cursor: "pointer" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--brand-subtle) 60%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--brand-subtle)", color: "var(--fg)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--code-selection)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--code-match)" },
  ".cm-searchMatch": { backgroundColor: "var(--bg-warning)", outline: "1px solid var(--text-warn)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--brand-muted)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--code-match)", outline: "1px solid var(--control-border)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--bg-error)", outline: "1px solid var(--text-error)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--bg-muted)", borderColor: "var(--border-emphasized)", color: "var(--fg-muted)" },
  ".cm-panels": { backgroundColor: "var(--bg-muted)", color: "var(--fg)", fontFamily: "var(--font)" },
  ".cm-panels.cm-panels-top": { borderBottom: "1px solid var(--border)" },
  ".cm-panels.cm-panels-bottom": { borderTop: "1px solid var(--border)" },
  ".cm-panel input[type=checkbox]": { verticalAlign: "-3px" },
  ".cm-textfield": {
    backgroundColor: "var(--bg)", color: "var(--fg)", border: "1px solid var(--control-border)", fontSize: "13px",
    borderRadius: "var(--radius-small)", width: "auto", minHeight: "28px", padding: "2px 8px",
  },
  ".cm-button": {
    backgroundImage: "none", backgroundColor: "var(--bg)", color: "var(--fg)", fontSize: "13px", padding: "3px 10px",
    border: "1px solid var(--border-emphasized)", borderRadius: "var(--radius-small)",
  },
  ".cm-panel.cm-search": { padding: "6px 32px 6px 8px" },
  ".cm-panel.cm-search label": { fontSize: "13px" },
  ".cm-panel.cm-search [name=close]": { color: "var(--fg-muted)", fontSize: "18px", top: "4px", right: "8px" },
  ".cm-panel.cm-panel-lint ul": { maxHeight: "160px" },
  ".cm-panel.cm-panel-lint ul [aria-selected]": { backgroundColor: "var(--bg-emphasized)" },
  ".cm-panel.cm-panel-lint ul:focus [aria-selected]": { backgroundColor: "var(--brand-muted)", color: "var(--fg)" },
  ".cm-tooltip": {
    backgroundColor: "var(--bg-panel)", color: "var(--fg)", border: "1px solid var(--border-emphasized)",
    borderRadius: "var(--radius-small)", boxShadow: "var(--shadow)", fontFamily: "var(--font)", fontSize: "13px",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16em", minWidth: "240px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--brand-muted)", color: "var(--fg)",
  },
  ".cm-completionDetail": { color: "var(--fg-muted)", fontStyle: "normal" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionIcon": { color: "var(--fg-muted)", opacity: "1" },
  ".cm-tooltip.cm-completionInfo": { maxWidth: "420px", padding: "8px 10px" },
  ".cm-diagnostic": { padding: "4px 8px 4px 10px", whiteSpace: "pre-wrap" },
  ".cm-diagnosticAction": {
    backgroundColor: "var(--brand-solid)", color: "var(--brand-contrast)", borderRadius: "var(--radius-small)",
    padding: "2px 8px",
  },
  ".cm-diagnosticSource": { color: "var(--fg-muted)", opacity: "1" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--text-error)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--text-warn)" },
  ".cm-diagnostic-info": { borderLeftColor: "var(--text-info)" },
  ".cm-lintRange": { backgroundImage: "none", textDecorationLine: "underline", textDecorationThickness: "1.5px" },
  ".cm-lintRange-error": { textDecorationStyle: "wavy", textDecorationColor: "var(--text-error)" },
  ".cm-lintRange-warning": { textDecorationStyle: "wavy", textDecorationColor: "var(--text-warn)" },
  ".cm-lintRange-info": { textDecorationStyle: "dotted", textDecorationColor: "var(--text-info)" },
  ".cm-lintPoint::after": { borderBottomColor: "var(--text-error)" },
  ".cm-placeholder": { color: "var(--fg-muted)" },
  ".cm-specialChar": { color: "var(--text-error)" },
});

const isDark = () => root.classList.contains("dark");
const darkness = new Compartment();
const views = new Set();

new MutationObserver(() => {
  for (const view of views) {
    if (!view.dom.isConnected) views.delete(view);
    else if (view.state.facet(EditorView.darkTheme) !== isDark()) {
      view.dispatch({ effects: darkness.reconfigure(EditorView.darkTheme.of(isDark())) });
    }
  }
}).observe(root, { attributes: true, attributeFilter: ["class"] });

/** Let a view follow the page's light and dark; call it once for each view that has `look()`. */
export function follow(view) {
  views.add(view);
  return view;
}

/** Colours and fonts; tokens are coloured by dag_editor.css through their classes (tok-keyword and so on). */
export const look = () => [theme, darkness.of(EditorView.darkTheme.of(isDark())), syntaxHighlighting(classHighlighter)];

const LANGUAGES = { py: python, pyi: python, sql, yml: yaml, yaml, json, md: markdown, xml };
const NAMES = { py: "Python", pyi: "Python", sql: "SQL", yml: "YAML", yaml: "YAML", json: "JSON", md: "Markdown", xml: "XML" };
const ending = (path) => /\.(\w+)$/.exec(path)?.[1].toLowerCase() ?? "";

/** The language of a file, by the end of its name; none for others. */
export const language = (path) => LANGUAGES[ending(path)]?.() ?? [];
export const languageName = (path) => NAMES[ending(path)] ?? "Text";
export const isPython = (path) => NAMES[ending(path)] === "Python";

/** Steps of indentation that a text has already, else what its language is used to. */
function unit(path, text) {
  const found = /^( +|\t)\S/m.exec(text)?.[1];
  if (found === "\t") return "\t";
  return isPython(path) ? "    " : "  ";
}

/** Text that is looked at: it can be searched and folded, not changed. */
export const readOnly = () => [EditorState.readOnly.of(true), EditorView.contentAttributes.of({ "aria-readonly": "true" })];

/** What every editor has; `path` and `text` decide on language and indentation. */
export function basics(path, text) {
  return [
    look(), language(path), lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), history(), foldGutter(),
    drawSelection(), dropCursor(), EditorState.allowMultipleSelections.of(true), indentOnInput(), bracketMatching(),
    closeBrackets(), rectangularSelection(), crosshairCursor(), highlightActiveLine(), highlightSelectionMatches(),
    search({ top: true }), indentUnit.of(unit(path, text)), EditorState.tabSize.of(4),
    tooltips({ position: "fixed" }),
    EditorView.contentAttributes.of({ "aria-label": `Text of ${path}`, spellcheck: "false", autocapitalize: "off" }),
    autocompletion({ maxRenderedOptions: 80 }),
    keymap.of([
      { key: "Mod-g", run: gotoLine, preventDefault: true },
      ...closeBracketsKeymap, ...completionKeymap, ...lintKeymap, ...searchKeymap.filter(({ key }) => key !== "Mod-g"),
      ...historyKeymap, ...foldKeymap, indentWithTab, ...defaultKeymap,
    ]),
  ];
}

/** Put the cursor where `#L12` or `#L12C3` points and show it; false if it points nowhere. */
export function goTo(view, hash) {
  const found = /^#?L(\d+)(?:C(\d+))?$/.exec(hash);
  if (!found) return false;
  const line = view.state.doc.line(Math.min(Math.max(Number(found[1]), 1), view.state.doc.lines));
  const anchor = Math.min(line.from + Math.max(Number(found[2] ?? 1) - 1, 0), line.to);
  view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
  return true;
}
