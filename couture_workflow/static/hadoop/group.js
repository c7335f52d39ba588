/* A Hadoop group: upload files, reviewed before they are saved; delete one; choose the keytab; test the connection. */

import { post, upload } from "../common/api.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { listenForFiles, whenChosen } from "../common/drop.js";
import { review } from "../common/review.js";
import { showDifference } from "../review/text-difference.js";
import { about, test } from "./test.js";

const root = document.getElementById("group");
const { group, base, mostBytes } = root.dataset;
const keytab = document.getElementById("keytab");

function parcel(files, fields = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const file of files) form.append("files", file, file.name);
  return form;
}

const send = (rest, form) => upload(about(group, rest), form, () => {}, { method: "POST" });

async function receive(files) {
  if (!files.length) return;
  if (files.reduce((sum, file) => sum + file.size, 0) > Number(mostBytes)) {
    notice(`These are more than ${Number(mostBytes).toLocaleString("en")} bytes. Choose configuration files alone.`, "error");
    return;
  }
  const found = await attempt(() => send("upload/check", parcel(files)));
  if (!found) return;
  const parts = found.drafts.map((draft) => ({ draft, box: el("div") }));
  const differences = [];
  const { saved } = await review({
    title: `Review ${files.length === 1 ? files[0].name : `${files.length} files`}`,
    content: parts.flatMap(({ draft, box }) => [
      el("h3", { class: "hadoop-file-name mono break" }, `${draft.name} (${draft.old ? "changed" : "new"})`),
      ...draft.remarks.map((remark) => el("p", { class: "alert alert-warn break" }, remark)),
      draft.old === draft.new ? el("p", { class: "muted" }, "It is as it is here.") : box,
    ]),
    opened: () => {
      for (const { draft, box } of parts) {
        if (draft.old !== draft.new) differences.push(showDifference(box, { path: draft.name, old: draft.old, text: draft.new, names: ["Saved version", "Yours"] }));
      }
    },
    placeholder: "Why",
    save: (message) => send("upload/save", parcel(files, { base: found.base ?? "", message })),
  });
  for (const difference of differences) difference.destroy();
  if (saved) window.location.assign(about(group));
}

whenChosen(document.getElementById("choose"), receive);
listenForFiles((files) => receive(files));

keytab.addEventListener("change", async () => {
  if (await attempt(() => post(about(group, "keytab"), { keytab: keytab.value }))) notice("The keytab is chosen.");
});
keytab.disabled = false;

root.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { test: asked, deleteFile } = button.dataset;
  if (asked !== undefined) await test(group, button, root.querySelector("[data-outcome]"));
  else if (deleteFile !== undefined) {
    const question = { title: `Delete ${deleteFile}?`, text: "The history of the group brings it back.", action: "Delete", danger: true };
    if (!(await confirm(question))) return;
    if (await attempt(() => post(about(group, "delete-file"), { name: deleteFile, base }))) window.location.assign(about(group));
  }
});
