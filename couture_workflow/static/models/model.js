/* One trained model: its versions while they come, labels, requests, comparison, deletion. */

import { ApiError, get, patch, post } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { ask, attempt, confirm, notice } from "../common/dialog.js";
import { el, freshId, icon } from "../common/dom.js";
import { bytes } from "../common/sizes.js";
import { removed } from "../files/removal.js";
import { Uploads } from "../files/uploads.js";
import { compare } from "./compare.js";
import { Try } from "./try.js";
import { asked, modelPath } from "./uploading.js";
import { Versions } from "./versions.js";
import { milliseconds, MOVING, number, right, table, when } from "./words.js";

/* Milliseconds between two looks: while a version is on its way, while none is, and when nobody answers. */
const BUSY = 1500;
const IDLE = 10000;
const SLOWEST = 60000;
/* States of versions that jobs may take. */
const GOOD = ["serving", "ready", "stopped", "kept"];

const byId = (id) => document.getElementById(id);
const box = byId("model");
const { kind, name, airflowRoot: airflow, list } = box.dataset;
const rights = JSON.parse(box.dataset.rights);
const path = (rest = "") => modelPath(kind, name, rest);

let model = null;
let timer = 0;
let looks = 0;
let wait = IDLE;

/* What the model server has to follow may take a while: its answer comes when the version answers. */
async function act(rest, body, done) {
  const told = notice("Under way…", "info", { stays: true });
  const answer = await attempt(async () => (await post(path(rest), body)) ?? {});
  told.remove();
  if (answer) notice(done);
  await look();
  return answer;
}

async function promote(version, label) {
  const now = model.labels[label];
  const text = `${now === undefined ? `No version is ${label} now.` : `Version ${now} is ${label} now.`} It answers until version ${version} is ready to.`;
  if (await confirm({ title: `Make version ${version} of ${name} ${label}?`, text, action: label === "stable" ? "Promote" : "Make it the canary" })) {
    await act("/promote", { version, label }, `Version ${version} is ${label}.`);
  }
}

/* Which model of an archive is taken: what is in it is shown before. */
async function choose({ version, layout }) {
  const folders = layout?.folders ?? [];
  const group = freshId("folder");
  const choices = folders.map((folder, place) =>
    el(
      "label",
      { class: "model-choice break" },
      el("input", { type: "radio", name: group, value: folder.path, checked: layout.chosen === undefined || layout.chosen === null ? place === 0 : folder.path === layout.chosen }),
      el("span", {}, el("code", {}, folder.path || "the archive itself"), `: ${folder.format}, ${number(folder.files, 20)} files, ${bytes(folder.bytes)}`),
    ),
  );
  const content = [el("p", {}, layout?.said ?? ""), el("fieldset", { class: "stack" }, el("legend", {}, "Take"), ...choices)];
  const buttons = [{ label: "Cancel" }, { label: "Take it", value: "take", look: "btn-primary" }];
  if ((await ask({ title: `What is in version ${version}`, content, buttons })) !== "take") return;
  const folder = content[1].querySelector("input:checked")?.value ?? folders[0]?.path;
  await act(`/versions/${version}/take`, { folder }, `Version ${version} is taken.`);
}

const versions = new Versions(byId("versions"), {
  rights,
  airflow,
  does: {
    path,
    promote,
    choose,
    again: (version) => act(`/versions/${version}/again`, {}, `Version ${version} is tried again.`),
    drop: async (label) => {
      const text = "Requests for the label are refused from then on. The version stays.";
      if (await confirm({ title: `Take the label ${label} off?`, text, action: "Take off" })) await act("/labels", { label, version: null }, `Nothing is ${label} any more.`);
    },
  },
});
const trial = byId("try") ? new Try(byId("try"), path) : null;

function requests() {
  const section = byId("served");
  if (!section) return;
  const served = model.versions.filter(({ served: each }) => each && each.state !== "END");
  const server = model.server ?? {};
  const problem = byId("server-problem");
  const wanted = Object.keys(model.labels).length && !model.stopped;
  problem.hidden = !wanted || (server.running && !server.error);
  problem.textContent = server.error || (server.running ? "" : "The model server does not answer.");
  section.hidden = !served.length && problem.hidden;
  const heads = ["Version", "State", right("Requests"), right("Errors"), right("p50"), right("p95"), right("Memory"), "Loaded since"];
  const rows = served.map(({ version, served: each }) => [
    String(version),
    each.state ?? "",
    right(number(each.requests, 20)),
    right(number(each.errors, 20)),
    right(milliseconds(each.p50_ms)),
    right(milliseconds(each.p95_ms)),
    right(typeof each.memory_bytes === "number" ? bytes(each.memory_bytes) : ""),
    when(each.loaded),
  ]);
  byId("served-table").replaceChildren(rows.length ? el("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Requests of the versions" }, table(heads, rows)) : "");
}

/** The version that was stable before the one that is, as far as it is known. */
const before = () => (model.earlier?.stable ?? []).findLast((version) => version !== model.labels.stable);

function show(found) {
  model = found;
  const marks = Object.entries(model.labels).sort().map(([label, version]) => el("span", { class: "badge badge-info model-mark" }, `${label}: ${version}`));
  byId("labels").replaceChildren(...marks, ...(model.stopped ? [el("span", { class: "badge badge-warn" }, "not served")] : []));
  byId("description").textContent = model.description;
  versions.show(model);
  const labelled = Boolean(Object.keys(model.labels).length);
  if (byId("stop")) {
    const focused = document.activeElement;
    byId("stop").hidden = model.stopped || !labelled;
    byId("start").hidden = !model.stopped;
    byId("roll-back").hidden = before() === undefined;
    if (focused.hidden) byId(model.stopped ? "start" : "stop").focus(); // the button that was pressed has gone
  }
  requests();
  compare(byId("compare"), model);
  trial?.show(model);
  forJobs(model.versions.find(({ state }) => GOOD.includes(state))?.version);
  byId("used-by").replaceChildren(model.used_by?.length ? el("ul", { class: "plain" }, ...model.used_by.map((user) => el("li", {}, user))) : "No DAG file names it.");
}

/** Say how jobs name the newest version that is good for them. */
function forJobs(version) {
  const lines = { "jobs-spark": `models=["${name}@${version}"]`, "jobs-macro": `{{ macros.couture_workflow.model_path("${name}@${version}") }}` };
  for (const [id, line] of Object.entries(lines)) {
    if (byId(id).dataset.line === line) continue;
    byId(id).dataset.line = line;
    const copy = el("button", { type: "button", class: "btn btn-icon btn-copy", "data-copy": line, title: "Copy the line", "aria-label": "Copy the line" }, icon("copy"));
    byId(id).replaceChildren(...(version ? [el("code", {}, line), copy] : ["No version is good for it yet."]));
  }
}

/** Look at the model now, and again when it is time to. */
async function look() {
  clearTimeout(timer);
  const mine = (looks += 1);
  const problem = byId("problem");
  try {
    const found = await get(path());
    if (mine !== looks) return;
    problem.hidden = true;
    show(found);
    wait = found.versions.some(({ state, waits }) => MOVING.includes(state) && !waits) ? BUSY : IDLE;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (mine !== looks) return;
    problem.textContent = error.message;
    problem.hidden = false;
    wait = Math.min(wait * 2, SLOWEST);
  }
  timer = setTimeout(() => (document.hidden ? null : look()), wait);
}

const WORDS = { suffering: "What needs it will fail. Used by:", place: "the list of models" };

async function remove() {
  if (await removed(name, [], (_name, rest) => path(rest), WORDS)) window.location.assign(list);
}

async function describe() {
  const input = el("textarea", { id: freshId("description"), maxlength: 2000 });
  input.value = model?.description ?? "";
  let base = model?.commit ?? "";
  const content = [el("div", { class: "field" }, el("label", { for: input.id }, "Description"), input)];
  const buttons = [{ label: "Cancel" }, { label: "Save", value: "save", look: "btn-primary" }];
  while ((await ask({ title: `Describe ${name}`, content, buttons, focus: input })) === "save") {
    const body = { description: input.value.trim(), base };
    let overtaken = false;
    const done = await attempt(async () => (await patch(path(), body)) ?? {}, ({ code }) => (overtaken = code === "conflict"));
    if (done || overtaken) await look();
    if (done) return;
    if (overtaken) {
      base = model.commit;
      notice(`Somebody else changed ${name} meanwhile. Its description is now: ${model.description || "empty"}. What you typed is kept: save again to put it in its place.`, "error");
    }
  }
}

document.addEventListener("visibilitychange", () => document.hidden || look());
copyButtons(box);
byId("describe")?.addEventListener("click", describe);
byId("delete")?.addEventListener("click", remove);
byId("start")?.addEventListener("click", () => act("/start", {}, `${name} is served again.`));
byId("stop")?.addEventListener("click", async () => {
  const question = { title: `Stop serving ${name}?`, text: "Requests that are under way end; new ones are refused. Versions and labels stay.", action: "Stop serving", danger: true };
  if (await confirm(question)) await act("/stop", {}, `${name} is served no more.`);
});
byId("roll-back")?.addEventListener("click", async () => {
  const expected = before(); // the model is looked at again while the question stands
  const question = { title: `Roll back ${name}?`, text: `Version ${model.labels.stable} is stable now. Version ${expected}, which was before, answers again.`, action: "Roll back" };
  if (await confirm(question)) await act("/roll-back", { label: "stable", expected }, `Version ${expected} of ${name} is stable again.`);
});
if (byId("uploads")) new Uploads({ address: () => path(asked()), settings: box.dataset, changed: look });
look();
