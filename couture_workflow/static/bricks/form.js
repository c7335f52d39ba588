/* The form of a brick: parameters as rows, code with a preview, nothing is saved before it was reviewed. */

import { page, post } from "../common/api.js";
import { codeBox } from "../common/code-box.js";
import { attempt } from "../common/dialog.js";
import { el, freshId, iconButton } from "../common/dom.js";
import { Form, ready } from "../common/form.js";
import { review } from "../common/review.js";
import { showDifference } from "../review/text-difference.js";

const form = document.getElementById("brick");
const { brick, saved, new: isNew, base } = JSON.parse(form.dataset.state);
const list = document.getElementById("parameters");
const types = JSON.parse(list.dataset.types);
const preview = document.getElementById("preview");
const kept = new Form({ fields: ["name", "title", "tags", "parameters", "code"], prefix: "brick-", state: "brick-state" });

let message = "";
let shown = 0;
let timer;

const code = codeBox(document.getElementById("code"), {
  text: brick.code.trim() ? brick.code : "",
  label: "Code of the brick",
  changed: () => changed(),
});

function field(label, control, grow = "") {
  const id = freshId("parameter");
  control.id = id;
  return el("div", { class: `field ${grow}` }, el("label", { for: id }, label), control);
}

function addParameter({ name = "", type = "text", default: value = "", help = "", choices = [] } = {}) {
  const select = el("select", { name: "type" }, ...Object.keys(types).map((each) => el("option", { value: each, title: types[each] }, each)));
  select.value = type;
  const options = field("Choices, separated by commas", el("input", { name: "choices", value: choices.join(", ") }));
  const show = () => (options.hidden = select.value !== "choice");
  select.addEventListener("change", show);
  const row = el(
    "li",
    { class: "card" },
    el(
      "div",
      { class: "brick-parameter" },
      field("Name", el("input", { name: "parameter", value: name, class: "mono", spellcheck: "false" })),
      field("Type", select),
      field("Default", el("input", { name: "default", value })),
      field("Help", el("input", { name: "help", value: help })),
      iconButton("trash", `Remove the parameter ${name}`.trim(), () => {
        row.remove();
        changed();
      }),
    ),
    options,
  );
  show();
  list.append(row);
  return row;
}

const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);

function draft() {
  const value = (name) => form.elements[name].value;
  return {
    name: value("name"),
    title: value("title"),
    description: value("description"),
    tags: split(value("tags")),
    code: code.text(),
    parameters: [...list.children].map((row) => {
      const at = (name) => row.querySelector(`[name="${name}"]`).value;
      const choices = at("type") === "choice" ? split(at("choices")) : [];
      return { name: at("parameter"), type: at("type"), default: at("default"), help: at("help"), choices };
    }),
  };
}

function tell(problem, field, options) {
  kept.clear();
  if (problem && !kept.wrong(field, problem, options)) kept.wrong("code", problem, options);
}

async function check() {
  clearTimeout(timer);
  const turn = (shown += 1);
  const answer = await post(page("/code-bricks/check"), { brick: draft() });
  if (turn !== shown) return null;
  tell(answer.problem, answer.field, { show: false });
  if (!answer.problem) preview.textContent = answer.code;
  return answer;
}

function changed() {
  kept.changed();
  clearTimeout(timer);
  timer = setTimeout(() => check().catch(() => {}), 400);
}

form.addEventListener("input", changed);
document.getElementById("add-parameter").addEventListener("click", () => {
  addParameter().querySelector("input").focus();
  changed();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await attempt(check);
  if (!answer) return;
  if (answer.problem) {
    kept.tell("Not saved: correct what is marked.");
    tell(answer.problem, answer.field);
    return;
  }
  const box = el("div");
  let difference;
  ({ message } = await review({
    title: "Review the change",
    content: [box],
    opened: () => (difference = showDifference(box, { path: "brick.yaml", old: saved, text: answer.text, names: ["Saved version", "Yours"] })),
    message,
    placeholder: "Why",
    save: async (why) => {
      await post(page(`/code-bricks/${isNew ? "add" : "save"}`), { brick: draft(), message: why, base });
      kept.saved();
      window.location.assign(page("/code-bricks/"));
    },
    explain: (error) =>
      error.code === "conflict" ? `${error.message} Copy your code, open the brick again and paste what is yours.` : error.message,
  }));
  difference.destroy();
});

for (const parameter of brick.parameters) addParameter(parameter);
ready(form);
if (code.text().trim()) check().catch(() => {});
