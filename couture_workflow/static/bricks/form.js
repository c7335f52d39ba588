/* The form of a brick: parameters as rows, code with a preview, nothing is saved before it was reviewed. */

import { ApiError, page, post } from "../common/api.js";
import { codeBox } from "../common/code-box.js";
import { TextDifference } from "../review/text-difference.js";
import { notice } from "../common/dialog.js";
import { el, freshId, iconButton } from "../common/dom.js";

const form = document.getElementById("brick");
const { brick, saved, new: isNew, base } = JSON.parse(form.dataset.state);
const list = document.getElementById("parameters");
const types = JSON.parse(list.dataset.types);
const preview = document.getElementById("preview");
const state = document.getElementById("brick-state");
const review = document.getElementById("review");
const FIELDS = ["name", "title", "tags", "parameters", "code"];

let dirty = false;
let shown = 0;
let timer;
let difference = null;

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

function tell(problem, where) {
  for (const name of FIELDS) document.getElementById(`brick-${name}-error`).textContent = "";
  if (!problem) return;
  const target = document.getElementById(`brick-${FIELDS.includes(where) ? where : "code"}-error`);
  target.textContent = problem;
}

async function check() {
  const turn = (shown += 1);
  const answer = await post(page("/code-bricks/check"), { brick: draft() });
  if (turn !== shown) return null;
  tell(answer.problem, answer.field);
  if (!answer.problem) preview.textContent = answer.code;
  return answer;
}

function changed() {
  dirty = true;
  state.textContent = "Not saved yet.";
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
  let answer;
  try {
    answer = await check();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(error.message, "error");
    return;
  }
  if (!answer) return;
  if (answer.problem) {
    state.textContent = "Not saved: correct what is marked.";
    document.getElementById(`brick-${FIELDS.includes(answer.field) ? answer.field : "code"}-error`).scrollIntoView({ block: "center" });
    return;
  }
  const box = document.getElementById("review-merge");
  document.getElementById("review-error").hidden = true;
  review.showModal();
  difference?.destroy();
  difference = new TextDifference(box, { path: "brick.yaml", old: saved, text: answer.text, names: ["Saved version", "Yours"] });
});

document.getElementById("review-cancel").addEventListener("click", () => review.close());
document.getElementById("review-save").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const message = document.getElementById("review-message").value;
  button.disabled = true;
  try {
    await post(page(`/code-bricks/${isNew ? "add" : "save"}`), { brick: draft(), message, base });
    dirty = false;
    window.location.assign(page("/code-bricks/"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const box = document.getElementById("review-error");
    box.textContent =
      error.code === "conflict" ? `${error.message} Copy your code, open the brick again and paste what is yours.` : error.message;
    box.hidden = false;
    button.disabled = false;
  }
});

window.addEventListener("beforeunload", (event) => {
  if (dirty) event.preventDefault();
});

for (const parameter of brick.parameters) addParameter(parameter);
if (code.text().trim()) check().catch(() => {});
