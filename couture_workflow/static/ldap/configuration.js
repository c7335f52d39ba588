/* The settings of log-in by a directory: defaults, a trial as one person, review, save. */

import { page, post } from "../common/api.js";
import { el } from "../common/dom.js";
import { Form, ready } from "../common/form.js";
import { review } from "../common/review.js";
import { changesTable } from "../spark/changes.js";
import { showSteps } from "./steps.js";

const at = (path) => page(`/ldap-configuration${path}`);
const form = document.getElementById("ldap");
const { base, values: given, presets } = JSON.parse(form.dataset.state);
const PASSWORD = "AUTH_LDAP_BIND_PASSWORD";
const MAPPING = "AUTH_ROLES_MAPPING";
const names = Object.keys(given);
const kept = new Form({ fields: [...names, "username", "password"], state: "form-state" });
const control = (name) => document.getElementById(name);
const rows = control(MAPPING);
let message = "";

function value(name) {
  const node = control(name);
  if (name === MAPPING) return mapping();
  if (node.type === "checkbox") return node.checked;
  if (node.tagName !== "INPUT") return node.querySelector("input:checked")?.value ?? "";
  if (Array.isArray(given[name])) return node.value.split(",").map((text) => text.trim()).filter(Boolean);
  return name === PASSWORD ? node.value : node.value.trim();
}

/* Rows of which one half is empty are sent, too, so that the server says what is missing. */
function mapping() {
  const found = {};
  for (const row of rows.children) {
    const [group, roles] = ["group", "roles"].map((name) => row.querySelector(`[name="${name}"]`).value.trim());
    if (!group && !roles) continue;
    found[group] = [...(found[group] ?? []), ...roles.split(",").map((text) => text.trim()).filter(Boolean)];
  }
  return found;
}

const typed = () => Object.fromEntries(names.map((name) => [name, value(name)]));

function fill(name, content) {
  const node = control(name);
  if (node.type === "checkbox") node.checked = content;
  else node.value = content;
}

function tell(problems) {
  kept.clear();
  const wrong = problems.filter(({ level }) => level === "error");
  for (const { field, message: words, level } of problems) {
    if (level === "error" && !kept.place(field).textContent) kept.wrong(field, words, { show: false });
  }
  if (wrong.length) kept.place(wrong[0].field).scrollIntoView({ block: "center" });
  return wrong.length === 0;
}

function reviewed({ changes, problems }) {
  const warnings = problems.map(({ field, message: words }) => el("li", {}, el("code", {}, field), ` ${words}`));
  return [
    changesTable(changes, { label: "Changes" }),
    warnings.length ? el("ul", { class: "alert alert-warn ldap-warnings" }, ...warnings) : null,
  ].filter(Boolean);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const settings = typed();
  const checked = await kept.attempt(event.submitter, () => post(at("/check"), { base, values: settings }));
  if (!checked || !tell(checked.problems)) return;
  const done = await review({
    title: "Review changes",
    content: reviewed(checked),
    message,
    placeholder: "Empty: a summary of the changes",
    note: "It is applied when the API server starts the next time. Test as user first: it costs nothing.",
    save: (words) => post(at("/save"), { base, values: settings, message: words }),
  });
  message = done.message;
  if (!done.saved) return;
  kept.saved();
  window.location.assign(at("/"));
});

for (const button of form.querySelectorAll("[data-preset]")) {
  button.addEventListener("click", () => {
    for (const [name, content] of Object.entries(presets[button.dataset.preset])) fill(name, content);
    const which = button.dataset.preset === "active-directory" ? "exampleAd" : "example";
    for (const input of form.querySelectorAll("[data-example]")) input.placeholder = input.dataset[which];
    kept.changed();
  });
}

control("add-group").addEventListener("click", () => {
  rows.append(control("group-row").content.cloneNode(true));
  rows.lastElementChild.querySelector("input").focus();
  kept.changed();
});

rows.addEventListener("click", (event) => {
  if (!event.target.closest("[data-remove]")) return;
  event.target.closest(".ldap-row").remove();
  kept.changed();
});

form.addEventListener("input", ({ target }) => {
  if (target.id !== "username" && target.id !== "password") kept.changed();
});

async function test(button) {
  const state = control("test-state");
  kept.clear();
  showSteps(control("steps"), []);
  state.textContent = "Logging in…";
  const person = { username: control("username").value, password: control("password").value };
  const answer = await kept.attempt(button, () => post(at("/test"), { values: typed(), ...person }));
  state.textContent = answer ? (answer.ok ? "The person would be let in." : "The person would be refused.") : "";
  if (answer) showSteps(control("steps"), answer.steps);
}

control("test").addEventListener("click", ({ currentTarget }) => test(currentTarget));
for (const name of ["username", "password"]) {
  control(name).addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!control("test").disabled) test(control("test"));
  });
}

if ("restored" in form.dataset) kept.changed();
ready(form);
