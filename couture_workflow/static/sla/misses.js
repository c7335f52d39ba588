/* SLA Misses: notes. A miss of several tasks is one, and so is its note. */

import { page, post } from "../common/api.js";
import { ask, attempt } from "../common/dialog.js";
import { localFields } from "../common/moments.js";

localFields(document.querySelector(".sla-filters"), ["since", "until"]);

async function edit(button) {
  const content = document.getElementById("note-form").content.cloneNode(true);
  const text = content.querySelector("#note-text");
  const done = content.querySelector("#note-done");
  text.value = button.dataset.note;
  done.checked = button.dataset.done === "true";
  const buttons = [{ label: "Cancel" }, { label: "Save", value: "save", look: "btn-primary" }];
  const parts = [...content.children]; // they stay with what was typed when a save is refused
  while ((await ask({ title: "Note", content: parts, buttons, focus: text })) === "save") {
    const note = { id: button.closest("tr").dataset.id, text: text.value, done: done.checked, base: button.dataset.base };
    if (await attempt(() => post(page("/sla-misses/note"), note))) return window.location.reload();
  }
}

document.getElementById("misses").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-note]");
  if (button) edit(button);
});
