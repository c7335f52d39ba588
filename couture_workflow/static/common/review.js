/* What a form would save, looked at before it is saved, with a message for the history. */

import { ApiError } from "./api.js";
import { el, freshId } from "./dom.js";

const LONGEST = "2000";

/** The field for a message: { field, input }. */
export function messageField({ label = "Message (optional)", value = "", placeholder = "" } = {}) {
  const input = el("input", { id: freshId("message"), maxlength: LONGEST, autocomplete: "off", placeholder: placeholder || null });
  input.value = value;
  return { input, field: el("div", { class: "field" }, el("label", { for: input.id }, label), input) };
}

/**
 * Show what would be saved; resolves to { saved, message } when the dialog is closed, whether by Save or by Back.
 *
 * `content`: nodes that show it; `opened()`: they are in the page; `message`: what was typed before; `save(message)`:
 * saves it. What the server refuses is told in the dialog, in the words of `explain(error)`, and nothing is lost.
 */
export function review({ title, content, opened = () => {}, message = "", placeholder, note = "", save = async () => {}, explain = ({ message: words }) => words }) {
  const { field, input } = messageField({ value: message, placeholder });
  const problem = el("p", { class: "alert alert-error", id: "review-error", role: "alert", hidden: true });
  const back = el("button", { type: "button", class: "btn", onclick: () => dialog.close() }, "Back");
  const ok = el("button", { class: "btn btn-primary" }, "Save");
  const form = el(
    "form", { method: "dialog", class: "stack" },
    ...content, field, note ? el("p", { class: "help" }, note) : null, problem, el("div", { class: "dialog-actions" }, back, ok),
  );
  const dialog = el("dialog", { class: "dialog dialog-wide", "aria-label": title }, el("h2", {}, title), form);
  let saved = false;
  const busy = (now) => {
    ok.disabled = now;
    back.disabled = now;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (ok.disabled) return;
    busy(true);
    problem.hidden = true;
    try {
      await save(input.value);
      saved = true;
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = explain(error);
      problem.hidden = false;
    } finally {
      busy(false);
    }
  });
  dialog.addEventListener("cancel", (event) => ok.disabled && event.preventDefault());
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve({ saved, message: input.value });
    });
    dialog.showModal();
    opened();
    input.focus({ preventScroll: true });
  });
}
