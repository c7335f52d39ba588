/* How the reader likes the text: its size and whether long lines wrap. Remembered by the browser. */

import { Compartment, EditorView } from "../vendor/codemirror.js";

const KEY = "couture.editor";
const [SMALLEST, USUAL, LARGEST] = [10, 13, 24];
const wrap = new Compartment();

const read = () => {
  try {
    return { size: USUAL, wrap: false, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { size: USUAL, wrap: false };
  }
};

function write(change) {
  const chosen = { ...read(), ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen));
  } catch {
    // Forbidden: it holds for this page alone.
  }
  return chosen;
}

const showSize = (size) => document.documentElement.style.setProperty("--code-size", `${size}px`);
const showWrap = (on) => document.querySelector('[data-do="wrap"]').setAttribute("aria-pressed", String(on));

/** The extension for wrapping, as it was left. */
export const wrapping = () => wrap.of(read().wrap ? EditorView.lineWrapping : []);

/** Actions for the menu. */
export function preferences(view) {
  showSize(read().size);
  showWrap(read().wrap);
  const resize = (step) => () => {
    showSize(write({ size: Math.min(Math.max(read().size + step, SMALLEST), LARGEST) }).size);
    view.requestMeasure();
  };
  return {
    larger: resize(1),
    smaller: resize(-1),
    wrap: () => {
      const on = write({ wrap: !read().wrap }).wrap;
      showWrap(on);
      view.dispatch({ effects: wrap.reconfigure(on ? EditorView.lineWrapping : []) });
    },
  };
}
