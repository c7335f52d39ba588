/* The list of Hadoop groups: add, rename, delete, make default, test the connection. */

import { ApiError, page, post } from "../common/api.js";
import { ask, attempt, confirm } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";
import { ready } from "../common/form.js";
import { about, test } from "./test.js";

const form = document.getElementById("add-group");
const problem = document.getElementById("group-name-error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    const { name } = await post(page("/hadoop-configuration/add"), { name: form.elements.name.value });
    window.location.assign(about(name));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem.textContent = error.message;
  }
});

/* Do what others may stand in the way of, and list them. */
async function unlessUsed(title, work) {
  try {
    await work();
    window.location.reload();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "in_use") return attempt(() => Promise.reject(error));
    await confirm({ title, text: "These use it. Change them first.", details: error.body.users, action: "OK" });
  }
}

async function rename(group) {
  const input = el("input", { id: freshId("name"), class: "mono", value: group, maxlength: "200", spellcheck: "false" });
  const field = el("div", { class: "field" }, el("label", { for: input.id }, "New name"), input);
  const buttons = [{ label: "Cancel" }, { label: "Rename", value: "yes", look: "btn-primary" }];
  if (!(await ask({ title: `Rename ${group}`, content: [field], buttons, focus: input }))) return;
  await unlessUsed(`${group} is in use`, () => post(about(group, "rename"), { name: input.value }));
}

async function remove(group) {
  const text = "Its files go with it. The history of the configuration repository keeps them.";
  if (!(await confirm({ title: `Delete the group ${group}?`, text, action: "Delete", danger: true }))) return;
  await unlessUsed(`${group} is in use`, () => post(about(group, "delete")));
}

document.getElementById("groups")?.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const card = button.closest("[data-group]");
  const { group } = card.dataset;
  const { test: asked, default: chosen, rename: named, delete: doomed } = button.dataset;
  if (asked !== undefined) await test(group, button, card.querySelector("[data-outcome]"));
  else if (chosen !== undefined) (await attempt(() => post(about(group, "default")))) && window.location.reload();
  else if (named !== undefined) await rename(group);
  else if (doomed !== undefined) await remove(group);
});

ready(form);
