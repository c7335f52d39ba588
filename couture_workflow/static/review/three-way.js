/* Three texts beside each other: what somebody else saved, the result, mine. Clashes are chosen here. */

import { el, freshId } from "../common/dom.js";

const CHOICES = [["mine", "Mine"], ["theirs", "Theirs"], ["theirs-mine", "Both, theirs first"], ["mine-theirs", "Both, mine first"], ["edit", "Edit"]];
const AROUND = 3;

const linesOf = (text) => text.match(/[^\n]*\n|[^\n]+/g) ?? [];
const ended = (text, eol) => (text && !text.endsWith("\n") ? text + eol : text);

/** The result so far of a clash, null while nothing is chosen. */
function chosen(part, choice, eol) {
  if (!choice) return null;
  const both = { mine: part.mine, theirs: part.theirs, "theirs-mine": ended(part.theirs, eol) + part.mine, "mine-theirs": ended(part.mine, eol) + part.theirs };
  return choice.kind === "edit" ? choice.text : both[choice.kind];
}

/** All of the result; null while a clash is open. `choices`: part number -> { kind, text }. */
export function mergedText(parts, choices, eol = "\n") {
  const texts = parts.map((part, index) => (part.kind === "clash" ? chosen(part, choices.get(index), eol) : part.kind === "theirs" ? part.theirs : part.mine));
  if (texts.includes(null)) return null;
  return texts.map((text, index) => (texts.slice(index + 1).some(Boolean) ? ended(text, eol) : text)).join("");
}

export const clashesOf = (parts) => parts.filter(({ kind }) => kind === "clash").length;

const block = (text, look = "", label = "") => el("pre", { class: `three-text ${look}`, "aria-label": label || false }, text || " ");
const cell = (label, ...content) => el("div", { class: "three-cell" }, el("span", { class: "three-label small muted" }, label), ...content);

function unchanged(text) {
  const lines = linesOf(text);
  if (lines.length <= 2 * AROUND + 2) return [block(text)];
  const middle = block(lines.slice(AROUND, -AROUND).join(""));
  const button = el("button", { type: "button", class: "three-fold", onclick: () => button.replaceWith(middle) }, `⋯ ${lines.length - 2 * AROUND} unchanged lines`);
  return [block(lines.slice(0, AROUND).join("")), button, block(lines.slice(-AROUND).join(""))];
}

/**
 * Put the three-way view into a box. `names`: { theirs: "eva", mine: "you" }; `choices` is kept up to date;
 * onChange(text or null) is called after every choice, with null while clashes are open.
 */
export function threeWay(box, { parts, choices, names, eol = "\n", onChange }) {
  const total = clashesOf(parts);
  const status = el("p", { class: "three-status", role: "status" });
  const results = new Map();

  const tell = () => {
    const open = total - choices.size;
    status.textContent = total ? `${choices.size} of ${total} clash${total === 1 ? "" : "es"} decided${open ? "" : ". The result can be reviewed."}` : "No clashes: both changes fit together.";
    onChange(mergedText(parts, choices, eol));
  };
  const choose = (index, kind, text = "") => {
    choices.set(index, { kind, text });
    results.get(index)();
    tell();
  };

  const clash = (part, index, number) => {
    const name = freshId("clash");
    const result = el("div", { class: "three-result" });
    const radios = CHOICES.map(([kind, label]) => {
      const input = el("input", { type: "radio", name, value: kind, checked: choices.get(index)?.kind === kind });
      input.addEventListener("change", () => choose(index, kind, kind === "edit" ? chosen(part, choices.get(index), eol) ?? part.mine : ""));
      return el("label", { class: "three-choice" }, input, ` ${label}`);
    });
    results.set(index, () => {
      const choice = choices.get(index);
      for (const input of fieldset.querySelectorAll("input")) input.checked = input.value === choice?.kind;
      if (choice?.kind === "edit") {
        const area = el("textarea", { class: "mono", "aria-label": `Result of clash ${number}`, rows: String(Math.max(4, linesOf(choice.text).length + 1)), spellcheck: "false" });
        area.value = choice.text;
        area.addEventListener("input", () => {
          choices.set(index, { kind: "edit", text: area.value.replaceAll("\n", eol) });
          tell();
        });
        result.replaceChildren(area);
      } else result.replaceChildren(choice ? block(chosen(part, choice, eol), "three-decided") : el("p", { class: "three-open" }, "Not decided yet"));
    });
    const fieldset = el("fieldset", { class: "three-choices" }, el("legend", {}, `Clash ${number} of ${total}`), ...radios);
    const before = el("details", { class: "small" }, el("summary", {}, "Before both changes"), block(part.base));
    results.get(index)();
    return el("section", { class: "three-clash", "aria-label": `Clash ${number}` }, fieldset, el("div", { class: "three-row" }, cell(names.theirs, block(part.theirs, "three-theirs")), cell("Result", result), cell(names.mine, block(part.mine, "three-mine"))), part.base ? before : "");
  };

  const row = (part) => {
    const side = { theirs: [part.theirs, "three-theirs"], mine: [part.mine, "three-mine"], both: [part.mine, "three-both"] }[part.kind];
    const look = (kind) => (part.kind === kind || part.kind === "both" ? side[1] : "");
    return el("div", { class: "three-row" }, cell(names.theirs, block(part.theirs, look("theirs"))), cell("Result", block(side[0], "three-decided")), cell(names.mine, block(part.mine, look("mine"))));
  };

  let number = 0;
  const rows = parts.flatMap((part, index) => {
    if (part.kind === "same") return unchanged(part.mine);
    if (part.kind !== "clash") return [row(part)];
    number += 1;
    return [clash(part, index, number)];
  });
  const all = (kind) => () => parts.forEach((part, index) => part.kind === "clash" && choose(index, kind));
  const tools = total ? el("div", { class: "bar" }, status, el("span", { class: "grow" }), el("button", { type: "button", class: "btn btn-small", onclick: all("theirs") }, "All theirs"), el("button", { type: "button", class: "btn btn-small", onclick: all("mine") }, "All mine")) : status;
  box.replaceChildren(tools, el("div", { class: "three", role: "group", "aria-label": "Theirs, result, mine" }, ...rows));
  tell();
}
