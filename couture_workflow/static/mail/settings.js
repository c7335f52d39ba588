/* The mail server: a test mail with what stands in the form, save. */

import { ApiError, api, get, page, post } from "../common/api.js";
import { Form, ready } from "../common/form.js";

const at = (path) => page(`/mail${path}`);
const form = document.getElementById("mail");
const state = JSON.parse(form.dataset.state);
const { ports } = state;
let { base } = state;
const control = (name) => document.getElementById(name);
const NAMES = ["host", "security", "port", "timeout", "user", "password", "sender", "verify"];
const kept = new Form({ fields: [...NAMES, "to"], state: "form-state" });
let port = control("port").value;

function typed() {
  const values = Object.fromEntries(NAMES.map((name) => [name, control(name).value.trim()]));
  return { ...values, password: control("password").value, verify: control("verify").checked };
}

const shown = (value) => ({ true: "yes", false: "no", "": "empty" })[value] ?? String(value);

/* Somebody else saved: say what, and let a second press put what is typed here in its place. */
async function overtaken(error) {
  if (error.code !== "conflict") throw error;
  const { settings, commit } = await get(api("/mail/"));
  base = commit;
  const mine = typed();
  const others = NAMES.filter((name) => name !== "password" && String(settings[name]) !== String(mine[name]));
  const theirs = others.map((name) => `${control(name).labels[0].textContent}: ${shown(settings[name])}`);
  const said = theirs.length ? ` Now saved: ${theirs.join("; ")}.` : "";
  throw new ApiError(error.status, { detail: `Somebody else saved these settings meanwhile.${said} What you typed is kept: save again to put it in their place.` });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!event.submitter) return;
  kept.clear();
  const done = await kept.attempt(event.submitter, () => post(at("/save"), { base, values: typed() }).catch(overtaken));
  if (!done) return;
  kept.saved();
  window.location.assign(at("/"));
});

control("security").addEventListener("change", ({ target }) => {
  if (!Object.values(ports).includes(Number(control("port").value)) && control("port").value !== port) return;
  control("port").value = port = ports[target.value];
});

form.addEventListener("input", ({ target }) => {
  if (target.id !== "to") kept.changed();
});

async function test(button) {
  const [state, talk] = [control("test-state"), control("talk")];
  state.className = "break";
  state.textContent = "Sending…";
  talk.hidden = true;
  kept.clear();
  const answer = await kept.attempt(button, () => post(at("/test"), { values: typed(), to: control("to").value }));
  state.textContent = answer ? answer.message : "";
  if (!answer) return;
  state.className = `break alert ${answer.ok ? "alert-ok" : "alert-error"}`;
  talk.textContent = answer.talk.join("\n");
  talk.hidden = !answer.talk.length;
}

control("test").addEventListener("click", ({ currentTarget }) => test(currentTarget));
control("to").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (!control("test").disabled) test(control("test"));
});

ready(form);
