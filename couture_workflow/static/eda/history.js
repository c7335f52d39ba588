/* The history of a source: what a version changed is fetched when it is opened; a deleted source is brought back. */

import { api, get, post } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { attempt, confirm } from "../common/dialog.js";
import { changesTable } from "../spark/changes.js";

const list = document.getElementById("versions");

for (const details of document.querySelectorAll("details[data-url]")) {
  whenOpened(details, async (box) => {
    const { changes } = await get(details.dataset.url);
    box.replaceChildren(changesTable(changes, { label: "Changes" }));
  });
}

list?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-bring-back]");
  if (!button) return;
  const { name, source } = list.dataset;
  const question = { title: `Bring ${name} back?`, text: "The source is added again as of this version.", action: "Bring back" };
  if (!(await confirm(question))) return;
  const address = api(`/eda/sources/${encodeURIComponent(name)}/restore`);
  if (await attempt(() => post(address, { commit: button.dataset.bringBack }))) window.location.assign(source);
});
