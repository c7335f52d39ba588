/* The list of keytabs: test one, make it the default, delete it. */

import { api, del, get, post } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { localTimes } from "../common/page.js";

const list = () => document.getElementById("keytabs");

/** Address of a keytab, or of something to do with it. */
export const addressOf = (name, verb = "") => api(`/kerberos/keytabs/${encodeURIComponent(name)}${verb}`);

/** Put the list as it is now in place of the old one. */
export async function renew() {
  const answer = await fetch(window.location.pathname, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("keytabs");
  if (!fresh) return;
  list().replaceWith(fresh);
  localTimes(fresh);
}

const card = (name) => [...list().querySelectorAll("[data-keytab]")].find(({ dataset }) => dataset.keytab === name);

function tell(name, text, kind) {
  const place = card(name)?.querySelector("[data-outcome]");
  if (!place) return;
  place.className = `alert alert-${kind} break`;
  place.textContent = text;
  place.hidden = false;
}

async function test(name, button) {
  button.disabled = true;
  tell(name, "Taking a ticket…", "info");
  const outcome = await attempt(() => post(addressOf(name, "/test")));
  await renew();
  if (outcome) tell(name, outcome.message, outcome.ok ? "ok" : "error");
  card(name)?.querySelector("[data-test]")?.focus();
}

async function makeDefault(name) {
  if (await attempt(() => post(addressOf(name, "/default")))) await renew();
}

async function remove(name) {
  const sure = await confirm({
    title: `Delete the keytab ${name}?`,
    text: "It is removed for good: there is no history of keytabs. To have it again, it must be uploaded again.",
    action: "Delete",
    danger: true,
  });
  if (!sure || !(await attempt(() => del(addressOf(name))))) return;
  notice(`The keytab ${name} is deleted.`);
  await renew();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#keytabs button");
  const name = button?.closest("[data-keytab]")?.dataset.keytab;
  if (name === undefined) return;
  if (button.dataset.test !== undefined) test(name, button);
  else if (button.dataset.default !== undefined) makeDefault(name);
  else if (button.dataset.delete !== undefined) remove(name);
});

copyButtons(document);

/** Tell whether there is a keytab of a name. */
export const exists = async (name) => (await get(api("/kerberos/keytabs"))).keytabs.some((each) => each.name === name);
