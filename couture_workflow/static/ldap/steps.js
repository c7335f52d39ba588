/* The steps of a log-in that was tried: green or red, with what the directory says. */

import { el } from "../common/dom.js";

/** Show the steps in a list. */
export function showSteps(list, steps) {
  list.replaceChildren(...steps.map(shown));
}

function shown({ title, ok, message, details }) {
  return el(
    "li", { class: ok ? "ldap-good" : "ldap-bad" },
    el("div", {}, el("span", { class: `badge ${ok ? "badge-ok" : "badge-error"}` }, ok ? "OK" : "Failed"), " ", el("strong", {}, title)),
    el("p", {}, message),
    details.length
      ? el("details", { open: !ok }, el("summary", {}, "Details"), el("ul", { class: "small mono break" }, ...details.map((line) => el("li", {}, line))))
      : null,
  );
}
