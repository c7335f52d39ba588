/* A small box of code to type in, on pages that are no editor. */

import { EditorView } from "../vendor/codemirror.js";
import { basics, follow } from "../editor/setup.js";

/* As high as its text. */
const box = EditorView.theme({ "&": { height: "auto" }, ".cm-content": { paddingBottom: "4px" } });

/** Type code here, Python unless `path` says otherwise: { text, label, changed } → { text(), view }. */
export function codeBox(parent, { text, label, changed, path = "code.py" }) {
  const view = follow(
    new EditorView({
      parent,
      doc: text,
      extensions: [
        box,
        EditorView.contentAttributes.of({ "aria-label": label }),
        basics(path, text),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  );
  return { view, text: () => view.state.doc.toString() };
}
