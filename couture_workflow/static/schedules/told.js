/* Messages above the form that stay until their cause is gone. */

import { el } from "../common/dom.js";

const LOOKS = { failed: "alert-error", draft: "alert-info", edited: "alert-warn" };

const button = (label, onclick) => el("button", { type: "button", class: "btn btn-small", onclick }, label);

/** Show a message with buttons, { label: function }, in a box; no words take it away. */
export function tell(box, kind, words, buttons = {}) {
  const present = document.getElementById(`told-${kind}`);
  if (words && present?.firstChild.textContent === words) return; // a screen reader is not told the same again
  present?.remove();
  if (!words) return;
  const actions = Object.entries(buttons).map(([label, act]) => button(label, act));
  const node = el("div", { id: `told-${kind}`, class: `alert ${LOOKS[kind]}`, role: "alert", tabindex: "-1" }, el("span", { class: "grow" }, words), ...actions);
  box.append(node);
}

/** Words for a call that failed and lost nothing. */
export function explained(error) {
  if (error.status === 401) return "Your login has expired. What you typed is kept here: log in again in another tab, then save.";
  return `${error.message} What you typed is kept.`;
}
