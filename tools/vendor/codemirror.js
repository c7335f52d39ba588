/* What the editor and the review page use of CodeMirror 6; the build leaves the rest out. */

export {
  EditorState, StateEffect, StateField, Compartment, EditorSelection, Annotation, Facet, Prec, RangeSet,
  RangeSetBuilder, Text, Transaction, ChangeSet, countColumn,
} from "@codemirror/state";
export {
  EditorView, ViewPlugin, Decoration, WidgetType, GutterMarker, keymap, lineNumbers, gutter,
  highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, highlightTrailingWhitespace,
  drawSelection, dropCursor, rectangularSelection, crosshairCursor, hoverTooltip, showTooltip, showPanel,
  getPanel, placeholder, tooltips, scrollPastEnd, runScopeHandlers, logException,
} from "@codemirror/view";
export {
  Language, LanguageSupport, LanguageDescription, HighlightStyle, StreamLanguage, syntaxHighlighting, syntaxTree,
  ensureSyntaxTree, syntaxTreeAvailable, foldGutter, foldKeymap, foldAll, unfoldAll, foldService, codeFolding,
  indentOnInput, indentUnit, indentRange, getIndentation, bracketMatching, matchBrackets,
} from "@codemirror/language";
export {
  history, historyKeymap, historyField, defaultKeymap, indentWithTab, indentMore, indentLess, toggleComment,
  undo, redo, undoDepth, redoDepth, insertNewlineAndIndent, toggleTabFocusMode, temporarilySetTabFocusMode,
  invertedEffects, isolateHistory,
} from "@codemirror/commands";
export {
  search, searchKeymap, openSearchPanel, closeSearchPanel, gotoLine, highlightSelectionMatches, selectNextOccurrence,
} from "@codemirror/search";
export {
  autocompletion, completionKeymap, closeBrackets, closeBracketsKeymap, completeAnyWord, completionStatus,
  startCompletion, closeCompletion, acceptCompletion, snippet, snippetCompletion, pickedCompletion,
  insertCompletionText,
} from "@codemirror/autocomplete";
export {
  linter, lintGutter, lintKeymap, setDiagnostics, setDiagnosticsEffect, forEachDiagnostic, diagnosticCount,
  nextDiagnostic, previousDiagnostic, openLintPanel, closeLintPanel, forceLinting,
} from "@codemirror/lint";
export {
  MergeView, unifiedMergeView, Chunk, diff, presentableDiff, getChunks, goToNextChunk, goToPreviousChunk,
  acceptChunk, rejectChunk, getOriginalDoc, originalDocChangeEffect, updateOriginalDoc, uncollapseUnchanged,
} from "@codemirror/merge";
export { python, pythonLanguage } from "@codemirror/lang-python";
export { sql, StandardSQL, SQLDialect } from "@codemirror/lang-sql";
export { yaml } from "@codemirror/lang-yaml";
export { json } from "@codemirror/lang-json";
export { markdown } from "./markdown.js";
export { tags, classHighlighter, highlightTree, styleTags, tagHighlighter } from "@lezer/highlight";
