/* Test connection: each step with what was found, or what went wrong and the remedy. */

import { page, post } from "../common/api.js";
import { attempt } from "../common/dialog.js";
import { el } from "../common/dom.js";

const LOOKS = { passed: "ok", failed: "error", skipped: "info" };
const WORDS = { passed: "OK", failed: "Failed", skipped: "Not tried" };

/** Address of a call about a group. */
export const about = (group, rest = "") => page(`/hadoop-configuration/groups/${encodeURIComponent(group)}/${rest}`);

const step = ({ what, result, said, remedy, seconds }) =>
  el(
    "li",
    { class: `alert alert-${LOOKS[result]}` },
    el("div", {}, el("strong", {}, `${what}: ${WORDS[result]}`), ` (${seconds.toFixed(1)} s)`),
    el("div", { class: "break" }, said),
    remedy ? el("div", { class: "break" }, remedy) : null,
  );

/** Test the connection of a group and tell it in its list. */
export async function test(group, button, list) {
  button.disabled = true;
  list.replaceChildren(el("li", { class: "alert alert-info" }, "Testing… This takes up to a minute."));
  const answer = await attempt(() => post(about(group, "test")));
  list.replaceChildren(...(answer?.steps ?? []).map(step));
  button.disabled = false;
}
