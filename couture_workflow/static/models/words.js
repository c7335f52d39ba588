/* What the parts of a model's page say in the same way. */

import { el } from "../common/dom.js";
import { localTimes } from "../common/page.js";

export const BADGES = { serving: "badge-ok", ready: "badge-ok", kept: "badge-ok", stopped: "", refused: "badge-error", failed: "badge-error", choose: "badge-warn" };
export const MOVING = ["received", "extracting", "checking", "loading"];

/** A moment in the reader's zone, "" for none. */
export function when(moment) {
  if (!moment) return el("span", {});
  const box = el("span", { class: "nowrap" }, el("time", { datetime: moment }, moment));
  localTimes(box);
  return box;
}

/** The shape of a tensor, where ? may be any size. */
export const shape = (sizes) => (sizes === null || sizes === undefined ? "any" : `[${sizes.map((size) => (size < 0 ? "?" : size)).join(", ")}]`);

/** A number as people read it, "" for none. */
export const number = (value, digits = 6) =>
  typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits, 1) }) : "";

export const milliseconds = (value) => (typeof value === "number" ? `${number(value, 3)} ms` : "");

/** A table; a cell is a text, a node, or { text, look } of a number. */
export function table(heads, rows, more = {}) {
  const cell = (value) => (value?.look ? el("td", { class: value.look }, value.text) : el("td", {}, value));
  return el(
    "table",
    { class: "table", ...more },
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col", class: head.look }, head.text ?? head)))),
    el("tbody", {}, ...rows.map(([first, ...others]) => el("tr", {}, el("th", { scope: "row" }, first), ...others.map(cell)))),
  );
}

export const right = (text) => ({ text, look: "number nowrap" });
