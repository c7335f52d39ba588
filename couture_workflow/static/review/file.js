/* One file of a review: its difference, or the three-way view where somebody else changed it too. */

import { page, post } from "../common/api.js";
import { Meanwhile } from "./meanwhile.js";
import { TextDifference } from "./text-difference.js";
import { confirm, notice } from "../common/dialog.js";
import { el } from "../common/dom.js";

const WAIT = 500;

export class ReviewedFile {
  #file;
  #context;
  #shown = null;
  #text = null;
  #timer = null;
  #saving = Promise.resolve();
  #body = el("div", { class: "file-body" });
  #tools = el("div", { class: "bar" });
  #meanwhile;
  #include;

  /** `context`: { head, user, several, mayEdit, changed(), reload(path, newPath) }. */
  constructor(file, context) {
    this.#file = file;
    this.#context = context;
    this.#meanwhile = new Meanwhile(file, context, { body: this.#body, difference: (text) => this.#difference(text), clear: () => this.#clear(), show: () => this.element.scrollIntoView({ block: "nearest" }) });
    this.#include = el("input", { type: "checkbox", checked: true, "aria-label": `Save ${file.path}`, onchange: () => context.changed() });
    const link = el("a", { class: "btn btn-small", href: page(`/dag-editor/?path=${encodeURIComponent(file.path)}`) }, "Back to the editor");
    const badge = el("span", { class: `badge ${file.exists ? "badge-info" : "badge-ok"}` }, file.exists ? "Changed" : "New file");
    const discard = el("button", { type: "button", class: "btn btn-small btn-danger", onclick: () => this.#discard() }, "Discard draft…");
    this.element = el(
      "section", { class: "card file", "aria-label": file.path },
      el("div", { class: "bar file-head" }, context.several ? this.#include : null, el("h2", { class: "break" }, file.path), badge, el("span", { class: "grow" }), this.#tools, link, context.mayEdit ? discard : null),
      this.#meanwhile.notice, this.#body,
    );
  }

  get path() {
    return this.#file.path;
  }

  /** What would be saved: { path, content, revision }; null while something is to be decided. */
  get content() {
    return this.#text === null ? null : { path: this.path, content: this.#text, revision: this.#file.revision };
  }

  get included() {
    return this.#include.checked;
  }

  get isSame() {
    return this.#file.exists && this.#text === this.#file.old;
  }

  start() {
    if (this.#file.meanwhile === "nothing") this.#difference(this.#file.mine);
    else this.#meanwhile.start();
  }

  goTo(problem) {
    this.element.scrollIntoView({ block: "nearest" });
    this.#shown?.goTo(`L${problem.line || 1}C${problem.column || 1}`);
  }

  problems(found) {
    this.#shown?.problems(found.filter(({ path }) => path === this.path));
  }

  /** Wait until every change that was typed here is in the draft. */
  async settled() {
    if (this.#timer) this.#keep();
    await this.#saving;
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#shown?.destroy();
  }

  /** Show no difference, and have nothing to save. */
  #clear() {
    this.#shown?.destroy();
    this.#shown = null;
    this.#text = null;
    this.#tools.replaceChildren();
  }

  #difference(text) {
    this.#shown?.destroy();
    this.#text = text;
    this.#body.replaceChildren();
    const names = [this.#file.exists ? "Saved version" : "Nothing yet", "Your draft"];
    const heads = el("div", { class: "file-names small muted", "aria-hidden": "true" }, el("span", {}, names[0]), el("span", {}, names[1]));
    const box = el("div", { class: "file-difference" });
    this.#body.append(...(this.#file.old ? [heads] : []), box);
    this.#shown = new TextDifference(box, { path: this.path, old: this.#file.old, text, names, editable: this.#context.mayEdit, onChange: (typed) => this.#typed(typed) });
    this.#count();
    this.#context.changed();
  }

  #count() {
    const number = this.#shown.count();
    const step = (label, sign, direction) => el("button", { type: "button", class: "btn btn-icon", "aria-label": label, title: label, onclick: () => this.#shown.next(direction) }, sign);
    const words = !this.#file.old ? `${this.#text.split("\n").length.toLocaleString("en")} new lines` : number ? `${number} changed block${number === 1 ? "" : "s"}` : "No changes";
    this.#tools.replaceChildren(el("span", { class: "muted small nowrap", role: "status" }, words), ...(number ? [step("Previous change", "↑", -1), step("Next change", "↓", 1)] : []));
  }

  #typed(text) {
    this.#text = text;
    this.#count();
    this.#context.changed();
    clearTimeout(this.#timer);
    if (this.#file.meanwhile === "changed") this.#meanwhile.remember(text);
    else this.#timer = setTimeout(() => this.#keep(), WAIT);
  }

  #keep() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#saving = this.#saving.then(async () => {
      const { path, revision } = this.#file;
      try {
        const answer = await post(page("/dag-review/draft"), { path, content: this.#text, base: this.#base(), revision });
        this.#file.revision = answer.revision;
      } catch (error) {
        notice(`The draft of ${path} was not kept: ${error.message}`, "error");
      }
    });
  }

  /** The version that the draft is of: a kept file that others deleted starts from where it was deleted. */
  #base() {
    return this.#file.meanwhile === "nothing" ? this.#file.begun : this.#context.head;
  }

  async #discard() {
    const sure = await confirm({ title: `Discard your draft of ${this.path}?`, text: "What you typed and did not save is lost.", action: "Discard", danger: true });
    if (!sure) return;
    clearTimeout(this.#timer);
    await this.#saving;
    try {
      await post(page("/dag-review/discard"), { path: this.path });
      await this.#context.reload(this.path, null);
    } catch (error) {
      notice(error.message, "error");
    }
  }
}
