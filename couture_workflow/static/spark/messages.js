/* Messages above the lists that stay until their cause is gone. */

import { el } from "../common/dom.js";

const form = document.getElementById("configuration");
const LOOKS = { failed: "alert-error", outdated: "alert-warn" };

const button = (label, onclick) => el("button", { type: "button", class: "btn btn-small", onclick }, label);
const text = (words) => el("span", { class: "grow" }, words);

/** Show the message of one kind, made by a function, or take it away (null). */
export function tell(kind, make) {
  const present = document.getElementById(`tell-${kind}`);
  if (make && present && kind === "outdated") return;
  present?.remove();
  if (make) form.before(el("div", { id: `tell-${kind}`, class: `alert ${LOOKS[kind]}`, role: "alert" }, ...make()));
}

/** Somebody else saved. */
export const outdated = (show) => [
  text("Somebody saved a newer version meanwhile."), button("Show the difference", show),
];

/** The server refused or did not answer. */
export function failure(error, retry) {
  const reload = button("Reload the page", () => location.reload());
  if (error.status === 401) {
    const words = "Your login has expired. What you typed is kept here, except new secrets: log in again and come back.";
    return [text(words), reload];
  }
  if (error.code === "csrf") return [text("This page is out of date. What you typed is kept."), reload];
  return [text(`${error.message} What you typed is kept.`), button("Try again", retry)];
}
