/* Search in the contents of DAG files: matches by file, each a link to its line in the editor. */

import { ApiError, get, page } from "../common/api.js";
import { editorAt } from "./rows.js";
import { el } from "../common/dom.js";

const WAIT = 250;

export class Search {
  constructor(form, box) {
    Object.assign(this, { form, box, asked: 0 });
    this.input = form.elements.text;
    this.regex = form.elements.regex;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    form.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.run(), WAIT);
    });
  }

  async run() {
    clearTimeout(this.timer);
    const mine = (this.asked += 1);
    const text = this.input.value;
    if (!text.trim()) return this.box.replaceChildren();
    const query = new URLSearchParams({ text, ...(this.regex.checked ? { regex: "1" } : {}) });
    let nodes;
    try {
      nodes = this.found(await get(`${page("/manage-dags/search")}?${query}`));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      nodes = [el("p", { class: "field-error", role: "alert" }, error.message)];
    }
    if (mine === this.asked) this.box.replaceChildren(...nodes);
  }

  found({ matches, more }) {
    if (!matches.length) return [el("p", { class: "muted", role: "status" }, "No file contains it.")];
    const files = new Map();
    for (const match of matches) files.set(match.path, [...(files.get(match.path) ?? []), match]);
    const count = matches.length === 1 ? "1 line" : `${matches.length}${more ? " and more" : ""} lines`;
    const line = (match) =>
      el(
        "li", {},
        el("a", { href: editorAt(match.path, match.line), "aria-label": `${match.path}, line ${match.line}` },
          el("span", { class: "match-line" }, String(match.line)), el("code", {}, match.text.trim().slice(0, 300))),
      );
    return [
      el("p", { class: "muted", role: "status" }, `${count} in ${files.size === 1 ? "1 file" : `${files.size} files`}`),
      ...[...files].map(([path, list]) => el("div", { class: "matches" }, el("h3", { class: "break" }, path), el("ul", {}, ...list.map(line)))),
    ];
  }
}
