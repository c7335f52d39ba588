/* Small boxes of code on pages that are no editor: one to type in, one that shows what changed. */

import { EditorView, MergeView, lineNumbers } from "./vendor/codemirror.js";
import { basics, follow, language, look, readOnly } from "./dag_editor_setup.js";

/* Boxes are as high as their text; the sign for folded lines is one that every font has. */
const box = EditorView.theme({
  "&": { height: "auto" },
  ".cm-content": { paddingBottom: "4px" },
  ".cm-collapsedLines": { backgroundImage: "none", backgroundColor: "var(--bg-muted)", color: "var(--fg-muted)" },
  ".cm-collapsedLines:before, .cm-collapsedLines:after": { content: '"⋮"' },
});

/** Type Python here: { text, label, changed } → { text(), view }. */
export function codeBox(parent, { text, label, changed }) {
  const view = follow(
    new EditorView({
      parent,
      doc: text,
      extensions: [
        box,
        EditorView.contentAttributes.of({ "aria-label": label }),
        basics("code.py", text),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  );
  return { view, text: () => view.state.doc.toString() };
}

/** Show an old and a new text side by side; `path` decides on the colours. */
export function mergeBox(parent, { old, text, path = "brick.yaml" }) {
  const extensions = () => [box, look(), language(path), lineNumbers(), EditorView.lineWrapping, readOnly()];
  const merge = new MergeView({
    parent,
    a: { doc: old, extensions: extensions() },
    b: { doc: text, extensions: extensions() },
    collapseUnchanged: { margin: 3, minSize: 6 },
  });
  follow(merge.a);
  follow(merge.b);
  return merge;
}
