/* What is typed into the form of a schedule, as the REST API has it, and back. */

import { el } from "../common/dom.js";

const byId = (name) => document.getElementById(`schedule-${name}`);

/** Each has a place for what is wrong with it, #schedule-<field>-error, and one for what is odd. */
export const FIELDS = [
  "notebook", "name", "when", "when.at", "when.cron", "when.zone", "parameters", "kernel", "retries", "time_limit", "email",
  "html", "files", "keep_outputs", "keep_days", "tags", "owner",
];
const TEXTS = ["notebook", "name", "kernel", "email", "html", "owner"];
const NUMBERS = { retries: "Retries", keep_outputs: "Outputs to keep", keep_days: "Days to keep outputs", time_limit: "The time limit" };
const MINUTE = 60;

const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const minutes = (count) => (count ? String(Math.round((count / MINUTE) * 1000) / 1000) : "");
const filled = (count) => (count ? String(count) : "");

/** A number that was typed, 0 for none, null for what is no number: minutes become seconds. */
function number(name) {
  const text = byId(name).value.trim();
  if (!text) return 0;
  if (name !== "time_limit") return /^\d{1,9}$/.test(text) ? Number(text) : null;
  return /^\d{1,6}([.,]\d{1,4})?$/.test(text) ? Math.round(Number(text.replace(",", ".")) * MINUTE) : null;
}

/** What the page itself finds: numbers that are none. */
export const ownFindings = () =>
  Object.entries(NUMBERS).filter(([name]) => number(name) === null).map(([name, label]) => ({
    field: name, level: "error", message: `${label} must be a ${name === "time_limit" ? "number of minutes, such as 90 or 1.5" : "whole number"}, or empty.`,
  }));

/** The control of a field, to put the focus on. */
export const controlOf = (field) => (field === "when" ? document.querySelector('[name="when.kind"]:checked') : byId(field));

export const kindOf = (form) => form.elements["when.kind"].value || "now";

/** Tick one of the ways to say when, and show its fields alone. */
export function showKind(form, kind) {
  for (const radio of form.elements["when.kind"]) radio.checked = radio.value === kind;
  for (const box of form.querySelectorAll("[data-when]")) box.hidden = box.dataset.when !== kind;
  document.getElementById("when-fields").hidden = kind === "now";
}

/** Offer the kernels that are installed; the first choice is the one that the notebook names. */
export function showKernels(installed, named, chosen = byId("kernel").value) {
  const own = el("option", { value: "" }, named ? `as the notebook says (${named})` : "as the notebook says");
  const known = installed.some(({ name }) => name === chosen) || !chosen;
  const lost = known ? [] : [el("option", { value: chosen }, `${chosen}, not installed`)];
  byId("kernel").replaceChildren(own, ...installed.map(({ name, title }) => el("option", { value: name }, title === name ? name : `${title} (${name})`)), ...lost);
  byId("kernel").value = chosen;
}

/** Everything as JSON; `parameters` and `files` are the parts of the page that have them. */
export function read(form, { parameters, files }) {
  const given = parameters.values();
  return {
    ...Object.fromEntries(TEXTS.map((name) => [name, byId(name).value.trim()])),
    when: { kind: kindOf(form), at: byId("when.at").value, cron: byId("when.cron").value.trim(), zone: byId("when.zone").value.trim() },
    parameters: Object.fromEntries(given.map(({ name, text }) => [name, text])),
    types: Object.fromEntries(given.map(({ name, type }) => [name, type])),
    ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, number(name) ?? 0])),
    tags: split(byId("tags").value),
    files: files.chosen(),
  };
}

/** Fill all fields but those of parameters, files and kernel, which the notebook decides. */
export function write(form, data) {
  const { when = {} } = data;
  for (const name of ["notebook", "name", "email", "owner"]) byId(name).value = data[name] ?? "";
  for (const name of ["retries", "keep_outputs", "keep_days"]) byId(name).value = filled(data[name]);
  byId("html").value = data.html || "none";
  byId("time_limit").value = minutes(data.time_limit);
  byId("tags").value = (data.tags ?? []).join(", ");
  byId("when.at").value = when.at ?? "";
  byId("when.cron").value = when.cron ?? "";
  byId("when.zone").value = when.zone || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  showKind(form, when.kind || "now");
}
