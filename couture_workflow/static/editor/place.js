/* Where somebody was in a file: kept by the window, for the way back from the review. */

import { EditorView } from "../vendor/codemirror.js";

const key = (path) => `couture.place ${path}`;

export function keepPlace(view, path) {
  try {
    const { anchor, head } = view.state.selection.main;
    sessionStorage.setItem(key(path), JSON.stringify({ anchor, head }));
  } catch {
    // Forbidden: the page opens at its start.
  }
}

export function restorePlace(view, path) {
  try {
    const { anchor, head } = JSON.parse(sessionStorage.getItem(key(path)));
    if (Math.max(anchor, head) > view.state.doc.length) return;
    view.dispatch({ selection: { anchor, head }, effects: EditorView.scrollIntoView(head, { y: "center" }) });
  } catch {
    // Nothing is kept.
  }
}
