/* A file as it was in a version: looked at, searched, folded. */

import { basics, follow, readOnly } from "../editor/setup.js";
import { EditorView } from "../vendor/codemirror.js";

const box = document.getElementById("text");
if (box) {
  const { path, text } = box.dataset;
  const height = EditorView.theme({ "&": { height: "auto", maxHeight: "75vh" }, ".cm-content": { paddingBottom: "4px" } });
  follow(new EditorView({ doc: text, extensions: [height, basics(path, text), readOnly(), EditorView.lineWrapping], parent: box }));
}
