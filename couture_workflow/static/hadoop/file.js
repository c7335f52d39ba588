/* The text of one file of a Hadoop group: edited with the colours of XML, nothing is saved before it was reviewed. */

import { ApiError, post } from "../common/api.js";
import { codeBox } from "../common/code-box.js";
import { el } from "../common/dom.js";
import { Form, ready } from "../common/form.js";
import { review } from "../common/review.js";
import { goTo, readOnly } from "../editor/setup.js";
import { showDifference } from "../review/text-difference.js";
import { StateEffect } from "../vendor/codemirror.js";
import { about } from "./test.js";

const form = document.getElementById("file");
const { group, name: known, text, base, restored } = JSON.parse(form.dataset.state);
const editable = form.dataset.editable === "yes";
const kept = editable ? new Form({ fields: known ? ["text"] : ["text", "name"], prefix: "file-", state: "file-state" }) : null;

let message = "";

const box = codeBox(document.getElementById("text"), {
  text,
  label: `Text of ${known || "the new file"}`,
  path: known || "new.xml",
  changed: () => kept?.changed(),
});

const draft = () => ({ name: known || form.elements.name.value.trim(), text: box.text(), base, new: !known });

function refused(error) {
  if (!(error instanceof ApiError)) throw error;
  kept.tell("Not saved: correct what is marked.");
  if (!kept.wrong(error.field, error.message)) kept.wrong("text", error.message);
  const place = /line (\d+)(?:, column (\d+))?/.exec(error.message);
  if (place && error.field === "text") goTo(box.view, `L${place[1]}C${place[2] ?? 1}`);
}

async function save() {
  kept.clear();
  let found;
  try {
    ({ draft: found } = await post(about(group, "check"), draft()));
  } catch (error) {
    refused(error);
    return;
  }
  const place = el("div");
  let difference;
  ({ message } = await review({
    title: "Review the change",
    content: [...found.remarks.map((remark) => el("p", { class: "alert alert-warn break" }, remark)), place],
    opened: () => (difference = showDifference(place, { path: found.name, old: found.old, text: found.new, names: ["Saved version", "Yours"] })),
    message,
    placeholder: "Why",
    save: async (why) => {
      await post(about(group, "save"), { ...draft(), message: why });
      kept.saved();
      window.location.assign(about(group));
    },
    explain: (error) =>
      error.code === "conflict" ? `${error.message} Copy your text, open the file again and paste what is yours.` : error.message,
  }));
  difference.destroy();
}

form.addEventListener("input", (event) => event.target.name === "name" && kept?.changed());
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await save();
});

if (!editable) box.view.dispatch({ effects: StateEffect.appendConfig.of(readOnly()) });
ready(form);
if (restored) kept?.changed();
