/* What the editor has to tell, one line each above the text, until it is settled. */

import { el } from "../common/dom.js";

const shown = new Map();
const place = () => document.getElementById("banners");

/**
 * Show, replace or (with null) take away the message of a kind.
 * tell("changed", { kind: "warn", text: "…", actions: [["See the difference", f], …], closable: true })
 */
export function tell(key, message) {
  const old = shown.get(key);
  if (!message) {
    old?.remove();
    shown.delete(key);
    return;
  }
  const { kind = "info", text, actions = [], closable = false, urgent = false } = message;
  const buttons = actions.map(([label, onclick]) => el("button", { type: "button", class: "btn btn-small", onclick }, label));
  if (closable) {
    const onclick = () => tell(key, null);
    buttons.push(el("button", { type: "button", class: "btn btn-icon", "aria-label": "Close this message", onclick }, "×"));
  }
  const node = el(
    "div",
    { class: `alert alert-${kind} editor-banner`, role: urgent ? "alert" : "status", "data-banner": key },
    el("span", { class: "grow" }, text),
    ...buttons,
  );
  if (old) old.replaceWith(node);
  else place().append(node);
  shown.set(key, node);
}

/** A moment as the reader's clock shows it, with the day if it is another one. */
export function clock(moment) {
  const date = new Date(moment);
  const sameDay = date.toDateString() === new Date().toDateString();
  return date.toLocaleString("sv-SE", sameDay ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "short" });
}
