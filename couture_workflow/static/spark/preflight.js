/* Check: what a job with the saved configuration would meet, each thing with how it went and what to do. */

import { page, post } from "../common/api.js";
import { attempt } from "../common/dialog.js";
import { el, waiting } from "../common/dom.js";

const LOOKS = { passed: "ok", failed: "error", skipped: "info" };
const WORDS = { passed: "OK", failed: "Failed", skipped: "Nothing to try" };

const line = ({ what, result, said, remedy }) =>
  el(
    "li",
    { class: `alert alert-${LOOKS[result]}` },
    el("strong", {}, `${what}: ${WORDS[result]}`),
    el("div", { class: "break" }, said),
    remedy ? el("div", { class: "break" }, remedy) : null,
  );

/** Let a button check what is saved, and a list tell it. */
export function offerCheck(button, list) {
  button.addEventListener("click", async () => {
    list.replaceChildren(el("li", { class: "alert alert-info" }, "Checking… This takes up to a minute."));
    const answer = await waiting(button, () => attempt(() => post(page("/spark-configuration/preflight"))));
    list.replaceChildren(...(answer?.checks ?? []).map(line));
  });
}
