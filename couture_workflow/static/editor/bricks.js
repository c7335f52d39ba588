/* The editor's dialog Insert brick: choose one, fill in its parameters, see the code, put it at the cursor. */

import { ApiError, get, page, post } from "../common/api.js";
import { attempt } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";

/** Let the reader choose a brick; resolves to { text, imports }, or null. */
export async function chooseBrick() {
  const found = await attempt(() => get(page("/code-bricks/list")));
  return found && new BrickDialog(found.bricks).answer();
}

class BrickDialog {
  constructor(bricks) {
    this.bricks = bricks;
    this.turn = 0;
    this.search = el("input", { type: "search", placeholder: "Search", "aria-label": "Search bricks", autocomplete: "off" });
    this.list = el("div", { class: "brick-pick-list", role: "group", "aria-label": "Bricks" });
    this.chosen = el("div", { class: "brick-pick-chosen stack" }, el("p", { class: "muted" }, "Choose a brick to see its code and its parameters."));
    this.problem = el("p", { class: "alert alert-error", role: "alert", hidden: true });
    this.insertButton = el("button", { type: "submit", class: "btn btn-primary", disabled: true }, "Insert");
    const cancel = el("button", { type: "button", class: "btn", onclick: () => this.dialog.close() }, "Cancel");
    this.form = el(
      "form",
      { method: "dialog", class: "stack", novalidate: true, autocomplete: "off" },
      el("h2", {}, "Insert brick"),
      el("div", { class: "brick-pick" }, el("div", { class: "stack" }, this.search, this.list), this.chosen),
      this.problem,
      el("div", { class: "dialog-actions" }, cancel, this.insertButton),
    );
    this.dialog = el("dialog", { class: "dialog dialog-wide", "aria-label": "Insert brick" }, this.form);
    this.search.addEventListener("input", () => this.filter());
    this.search.addEventListener("keydown", (event) => this.fromSearch(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.insert();
    });
  }

  /** Show the dialog; resolves when it is closed. */
  answer() {
    document.body.append(this.dialog);
    this.filter();
    this.dialog.showModal();
    this.search.focus();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => {
        this.dialog.remove();
        resolve(this.rendered ? { text: this.rendered.body, imports: this.rendered.imports } : null);
      });
    });
  }

  /** Enter and arrow down go from the search to what it found. */
  fromSearch(event) {
    const first = this.list.querySelector("button");
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      if (event.key === "Enter") first?.click();
      else first?.focus();
    }
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (text) => words.every((word) => text.toLowerCase().includes(word));
    const about = (brick) => [brick.title, brick.description, ...brick.tags].join("\n");
    const named = this.bricks.filter((brick) => holds(about(brick)));
    const fitting = named.length ? named : this.bricks.filter((brick) => holds(`${about(brick)}\n${brick.code}`));
    this.list.replaceChildren(
      ...fitting.map((brick) =>
        el(
          "button",
          { type: "button", "aria-pressed": String(brick === this.brick), onclick: () => this.choose(brick) },
          el("strong", {}, brick.title),
          el("br"),
          el("span", { class: "muted small" }, brick.tags.join(", ")),
        ),
      ),
    );
    if (!fitting.length) this.list.append(el("p", { class: "muted" }, "No brick fits. Search for less."));
  }

  choose(brick) {
    this.brick = brick;
    this.filter();
    this.fields = brick.parameters.map((parameter) => ({ parameter, control: control(parameter) }));
    this.preview = el("pre", { class: "code", tabindex: "0", "aria-label": "Code" });
    this.chosen.replaceChildren(
      el("h3", {}, brick.title),
      ...(brick.description ? [el("p", { class: "muted" }, brick.description)] : []),
      ...this.fields.map(({ parameter, control: node }) => field(parameter, node)),
      this.preview,
    );
    for (const { control: node } of this.fields) node.addEventListener("input", () => this.show());
    this.insertButton.disabled = false;
    this.show();
    this.fields[0]?.control.focus();
  }

  async render() {
    const values = Object.fromEntries(this.fields.map(({ parameter, control: node }) => [parameter.name, node.value]));
    const turn = (this.turn += 1);
    try {
      const rendered = await post(page(`/code-bricks/${encodeURIComponent(this.brick.name)}/render`), { values });
      if (turn !== this.turn) return null;
      this.tell("");
      return rendered;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.turn) this.tell(error.message, error.field);
      return null;
    }
  }

  tell(message, name = "") {
    this.problem.textContent = message;
    this.problem.hidden = !message;
    for (const { parameter, control: node } of this.fields) node.toggleAttribute("aria-invalid", parameter.name === name);
  }

  async show() {
    const rendered = await this.render();
    if (rendered) this.preview.textContent = [...rendered.imports, ...(rendered.imports.length ? [""] : []), rendered.body].join("\n");
  }

  async insert() {
    if (!this.brick) return;
    this.rendered = await this.render();
    if (this.rendered) this.dialog.close();
  }
}

function control(parameter) {
  if (parameter.type === "choice" || parameter.type === "boolean") {
    const choices = parameter.type === "boolean" ? ["true", "false"] : parameter.choices;
    const select = el("select", {}, ...choices.map((choice) => el("option", {}, choice)));
    select.value = parameter.default || choices[0];
    return select;
  }
  const mono = parameter.type === "code" || parameter.type === "name" ? "mono" : "";
  return el("input", { value: parameter.default, class: mono, spellcheck: "false" });
}

function field(parameter, node) {
  node.id = freshId("brick-parameter");
  const help = el("span", { class: "help", id: `${node.id}-help` }, parameter.help);
  node.setAttribute("aria-describedby", help.id);
  return el("div", { class: "field" }, el("label", { for: node.id }, parameter.name.replaceAll("_", " ")), node, help);
}
