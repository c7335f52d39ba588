/* The git remote: save the settings, look at it now, choose sides of a conflict, the web hook's secret. */

import { ApiError, get, page, post } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { confirm, notice } from "../common/dialog.js";
import { Form, ready } from "../common/form.js";
import { showDifference } from "../review/text-difference.js";

const at = (path) => page(`/dag-repository${path}`);
const form = document.getElementById("remote");
let { commit } = JSON.parse(form.dataset.state);
const credentials = document.getElementById("credentials");
const kept = new Form({ fields: ["url", "branch", "folder", "interval", "mode", "credentials"], state: "form-state" });

async function run(button, work) {
  button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const field = { path: "folder" }[error.field] ?? error.field;
    if (!kept.wrong(field, error.message)) notice(error.message, "error");
    return null;
  } finally {
    button.disabled = false;
  }
}

function reload() {
  kept.saved();
  window.location.reload();
}

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/* The remote has not answered in time: say so, and wait until nobody looks at it any more. */
async function ended(found, place) {
  if (found.result !== "running") return;
  place.textContent = found.message;
  do await wait(1000);
  while ((await get(at("/state"))).looking);
}

form.addEventListener("input", () => kept.changed());

document.getElementById("add-credential").addEventListener("click", () => {
  credentials.append(document.getElementById("credential").content.cloneNode(true));
  const prefix = credentials.lastElementChild.querySelector("input");
  prefix.value = /^https?:\/\/[^/]+\//.exec(form.elements.url.value)?.[0] ?? "";
  prefix.focus();
});
credentials.addEventListener("click", (event) => {
  if (!event.target.closest("[data-remove]")) return;
  event.target.closest(".remote-credential").remove();
  form.dispatchEvent(new Event("input"));
});

/* What is typed in the form. */
function typed() {
  const value = (name) => form.elements[name].value;
  return {
    base: commit,
    url: value("url"),
    branch: value("branch"),
    folder: value("folder"),
    interval: value("interval"),
    mode: value("mode"),
    known_hosts: value("known_hosts"),
    submodules: form.elements.submodules.checked,
    credentials: [...credentials.children].map((row) =>
      Object.fromEntries(["prefix", "username", "secret"].map((name) => [name, row.querySelector(`[name="${name}"]`).value])),
    ),
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  kept.clear();
  const settings = typed();
  kept.tell("Saving and looking at the remote…");
  const answer = await run(event.submitter, () => post(at("/save"), settings));
  if (!answer) return kept.tell("Not saved.");
  ({ commit } = answer);
  kept.saved();
  await run(event.submitter, () => ended(answer.state, kept.state));
  if (!kept.dirty) reload();
});

const click = (id, work) => document.getElementById(id)?.addEventListener("click", (event) => work(event.currentTarget));

click("disconnect", async (button) => {
  const question = {
    title: "Disconnect the remote?",
    text: "The DAG files stay here as they are, and nothing looks at the remote any more.",
    action: "Disconnect",
    danger: true,
  };
  if (!(await confirm(question))) return;
  if (await run(button, () => post(at("/save"), { ...typed(), url: "", disconnect: true }))) reload();
});

/* Look at the remote and wait until that has ended; tells whether it could be started. */
function look(button, call) {
  const said = document.getElementById("state-message");
  said.textContent = "Looking at the remote…";
  return run(button, async () => {
    await ended(await call(), said);
    return true;
  });
}

click("sync", async (button) => {
  await look(button, () => post(at("/sync")));
  if (!kept.dirty) reload();
});

click("resolve", async (button) => {
  const chosen = [...document.querySelectorAll("#conflicts input:checked")];
  const choices = Object.fromEntries(chosen.map((input) => [input.dataset.path, input.value]));
  const missing = JSON.parse(document.getElementById("state").dataset.paths).find((path) => !choices[path]);
  if (missing) {
    notice(`Choose which ${missing} is to be kept.`, "error");
    return;
  }
  if (await look(button, () => post(at("/resolve"), { choices }))) reload();
});

click("take", async (button) => {
  const question = {
    title: "Take the remote's state?",
    text: "The DAG files become what the remote has. What is here and not there stays as a branch named kept/… of the repository.",
    action: "Take it",
    danger: true,
  };
  if ((await confirm(question)) && (await look(button, () => post(at("/take"))))) reload();
});

click("rebase", async (button) => {
  const question = {
    title: "Put our commits on top?",
    text: "The DAG files become what the remote has, with the commits that were made here alone on top of it. What is here now stays as a branch named kept/… of the repository.",
    action: "Put them on top",
  };
  if ((await confirm(question)) && (await look(button, () => post(at("/rebase"))))) reload();
});

for (const details of document.querySelectorAll("[data-conflict]")) {
  const path = details.dataset.conflict;
  whenOpened(details, async (box) => {
    const { ours, theirs } = await get(at(`/conflict?${new URLSearchParams({ path })}`));
    showDifference(box, { path, old: ours ?? "", text: theirs ?? "", names: ["Here", "There"] });
  });
}

const hook = document.getElementById("hook-url");
if (hook) {
  const root = document.querySelector('meta[name="api-root"]').content.replace(/\/api$/, "");
  hook.textContent = window.location.origin + root + hook.dataset.path;
}
const reveal = async (button, renew) => {
  const answer = await run(button, () => post(at("/hook"), { renew }));
  if (!answer) return;
  const code = document.getElementById("hook-secret");
  code.textContent = answer.secret;
  code.hidden = false;
};
click("hook-show", (button) => reveal(button, false));
click("hook-renew", async (button) => {
  const text = "Calls with the present secret are refused from then on.";
  if (await confirm({ title: "Make a new secret?", text, action: "Make it", danger: true })) await reveal(button, true);
});
ready(form);
