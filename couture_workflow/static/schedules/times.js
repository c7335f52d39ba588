/* What a schedule means: words, and the next times. */

import { el } from "../common/dom.js";

const weekday = new Intl.DateTimeFormat("en", { weekday: "short", timeZone: "UTC" });

/** A moment as it is on the clock of its own zone: the server sends it with that offset. */
function moment(iso) {
  const [, day, clock, zone] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$/.exec(iso) ?? [];
  if (!day) return el("time", { datetime: iso }, iso);
  const text = `${weekday.format(new Date(`${day}T00:00:00Z`))} ${day} ${clock}`;
  return el("span", {}, el("time", { class: "nowrap" }, text), " ", el("span", { class: "muted small nowrap" }, ["Z", "+00:00", undefined].includes(zone) ? "UTC" : `UTC${zone}`));
}

/** Show in a box when it runs. */
export function showTimes(box, kind, { words = "", next = [] }) {
  const text = words || (kind === "now" ? "It runs once, as soon as it is saved." : "");
  const list = kind === "cron" && next.length
    ? el("ol", { class: "next-times plain", "aria-label": "Next times" }, ...next.map((iso) => el("li", {}, moment(iso))))
    : null;
  const same = box.dataset.shown === JSON.stringify([text, next]);
  if (same) return; // a screen reader is not told the same again
  box.dataset.shown = JSON.stringify([text, next]);
  box.replaceChildren(...[text ? el("p", { class: "break" }, text) : null, list].filter(Boolean));
}
