/* A text input with suggestions below it: the combobox pattern of WAI-ARIA. Any text may be typed. */

import { el, freshId } from "./dom.js";

const SHOWN = 50;

/**
 * Give an input suggestions. `suggest(text)` returns (or resolves to) a list of { value, detail, note }; `pick(value)`
 * is called when one is chosen. Arrow keys move, Enter or Tab chooses, Escape closes.
 */
export function combobox(input, { suggest, pick = () => {} }) {
  const list = el("ul", { class: "options", role: "listbox", id: freshId("options"), "aria-label": "Suggestions", hidden: true });
  let items = [];
  let active = -1;
  let asked = 0;

  for (const [name, value] of Object.entries({
    role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id,
  })) input.setAttribute(name, value);
  input.after(list);

  function close() {
    asked += 1;
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = index;
    const option = list.children[active];
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  function choose(index) {
    const { value } = items[index];
    input.value = value;
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close();
    pick(value);
  }

  const option = ({ value, detail, note }, index) =>
    el(
      "li",
      {
        role: "option", id: `${list.id}-${index}`, "aria-selected": "false",
        onmousedown: (event) => event.preventDefault(), // keeps the focus in the input
        onclick: () => choose(index),
      },
      el("span", { class: "option-value mono" }, value),
      note ? el("span", { class: "option-note" }, note) : null,
      detail ? el("span", { class: "option-detail" }, detail) : null,
    );

  async function open() {
    const mine = (asked += 1);
    const found = (await suggest(input.value)).slice(0, SHOWN);
    if (mine !== asked || document.activeElement !== input) return;
    const alone = found.length === 1 && found[0].value === input.value;
    items = alone ? [] : found;
    list.replaceChildren(...items.map(option));
    list.hidden = items.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
    if (!list.hidden) list.scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", open);
  input.addEventListener("click", () => list.hidden && open());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) return void open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark((active + step + items.length + (active < 0 && step < 0 ? 1 : 0)) % items.length);
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Tab" && active >= 0) {
      choose(active);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
}

/** Rank: names that begin with the text, then names in which a part does, then the rest; every word must be in it. */
export function matching(options, text, textOf = (option) => option.value) {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return options.slice(0, SHOWN);
  const ranked = [];
  for (const option of options) {
    const name = textOf(option).toLowerCase();
    if (!words.every((word) => name.includes(word))) continue;
    const rank = name.startsWith(words[0]) ? 0 : name.includes(`.${words[0]}`) || name.includes(`-${words[0]}`) ? 1 : 2;
    ranked.push([rank, name.length, option]);
  }
  ranked.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return ranked.slice(0, SHOWN).map((entry) => entry[2]);
}
