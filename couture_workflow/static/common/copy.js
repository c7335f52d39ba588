/* Texts for the clipboard. */

import { notice } from "./dialog.js";
import { el } from "./dom.js";

/** Put a text into the clipboard and say so; `button` was pressed for it and keeps the focus. */
export async function copy(text, button) {
  if (await written(text, button)) notice("Copied.");
  else notice("The browser does not allow to copy. Select the text and press Ctrl+C.", "error");
}

async function written(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "visually-hidden" }); // plain http: there is no clipboard object
    area.value = text;
    button.after(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    button.focus();
    return done;
  }
}

/** Make every <button data-copy="text"> below a node copy its text. */
export function copyButtons(node) {
  node.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (button) copy(button.dataset.copy, button);
  });
}
