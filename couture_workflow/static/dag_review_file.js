/* One file of a review: its difference, or the three-way view where somebody else changed it too. */

import { page, post, del } from "./api.js";
import { TextDifference } from "./dag_text_difference.js";
import { mergedText, clashesOf, threeWay } from "./dag_three_way.js";
import { confirm, notice } from "./dialog.js";
import { el } from "./dom.js";

const WAIT = 500;

/* What was chosen in a three-way view is kept in the browser: the draft stays as it is until it is saved. */
const memory = {
  key: (file, head) => `couture-merge ${file.path} ${file.revision} ${head}`,
  read: (key) => {
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? "null");
    } catch {
      return null;
    }
  },
  write: (key, value) => {
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // full or forbidden: the choices last as long as the page
    }
  },
};

export class ReviewedFile {
  #file;
  #context;
  #shown = null;
  #text = null;
  #choices = new Map();
  #timer = null;
  #saving = Promise.resolve();
  #body = el("div", { class: "file-body" });
  #tools = el("div", { class: "bar" });
  #notice = el("div");
  #include;

  /** `context`: { head, base, user, several, mayEdit, changed(), reload(path, newPath) }. */
  constructor(file, context) {
    this.#file = file;
    this.#context = context;
    this.#include = el("input", { type: "checkbox", checked: true, "aria-label": `Save ${file.path}`, onchange: () => context.changed() });
    const link = el("a", { class: "btn btn-small", href: page(`/dag-editor/?path=${encodeURIComponent(file.path)}`) }, "Back to the editor");
    const badge = el("span", { class: `badge ${file.exists ? "badge-info" : "badge-ok"}` }, file.exists ? "Changed" : "New file");
    const discard = el("button", { type: "button", class: "btn btn-small btn-danger", onclick: () => this.#discard() }, "Discard draft…");
    this.element = el(
      "section", { class: "card file", "aria-label": file.path },
      el("div", { class: "bar file-head" }, context.several ? this.#include : null, el("h2", { class: "break" }, file.path), badge, el("span", { class: "grow" }), this.#tools, link, context.mayEdit ? discard : null),
      this.#notice, this.#body,
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
    const { meanwhile } = this.#file;
    if (meanwhile === "changed") this.#merged();
    else if (meanwhile === "nothing") this.#difference(this.#file.mine);
    else this.#gone();
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

  #difference(text) {
    this.#shown?.destroy();
    this.#text = text;
    this.#body.replaceChildren();
    const names = [this.#file.exists ? "Saved version" : "Nothing yet", "Your draft"];
    const heads = el("div", { class: "file-names small muted", "aria-hidden": "true" }, el("span", {}, names[0]), el("span", {}, names[1]));
    const box = el("div", { class: "file-difference" });
    this.#body.append(heads, box);
    this.#shown = new TextDifference(box, { path: this.path, old: this.#file.old, text, names, editable: this.#context.mayEdit, onChange: (typed) => this.#typed(typed) });
    this.#count();
    this.#context.changed();
  }

  #count() {
    const number = this.#shown.count();
    const step = (label, sign, direction) => el("button", { type: "button", class: "btn btn-icon", "aria-label": label, title: label, onclick: () => this.#shown.next(direction) }, sign);
    const words = number ? `${number} changed block${number === 1 ? "" : "s"}` : "No changes";
    this.#tools.replaceChildren(el("span", { class: "muted small nowrap", role: "status" }, words), ...(number ? [step("Previous change", "↑", -1), step("Next change", "↓", 1)] : []));
  }

  #typed(text) {
    this.#text = text;
    this.#count();
    this.#context.changed();
    clearTimeout(this.#timer);
    if (this.#file.meanwhile === "changed") this.#remember();
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

  #key() {
    return memory.key(this.#file, this.#context.head);
  }

  #remember() {
    memory.write(this.#key(), { text: this.#text, choices: [...this.#choices] });
  }

  #merged() {
    const kept = memory.read(this.#key());
    this.#choices = new Map(kept?.choices ?? []);
    const text = kept?.text ?? mergedText(this.#file.parts, this.#choices, this.#eol());
    if (text === null) this.#decide();
    else {
      this.#tellMerged();
      this.#difference(text);
    }
  }

  #eol() {
    return /\r\n/.test(this.#file.mine) ? "\r\n" : "\n";
  }

  #who() {
    const { theirs } = this.#file;
    if (!theirs) return "Somebody else";
    return theirs.author === this.#context.user ? "You, in another window," : theirs.author;
  }

  #when() {
    const { theirs } = this.#file;
    return theirs ? [" (“", el("span", { class: "break" }, theirs.message.split("\n")[0]), "”, ", el("time", { datetime: theirs.when }, theirs.when), ")"] : [];
  }

  #tell(kind, ...content) {
    this.#notice.replaceChildren(el("div", { class: `alert alert-${kind} file-notice`, role: "status" }, el("div", { class: "grow" }, ...content)));
    this.#context.localTimes(this.#notice);
  }

  #tellMerged() {
    const again = el("button", { type: "button", class: "btn btn-small", onclick: () => this.#decide() }, "Show the three-way view");
    const clashed = clashesOf(this.#file.parts);
    const words = clashed ? " saved this file meanwhile. You decided the clashes; below is the result." : " saved this file meanwhile. Both changes fit together; below is the result.";
    this.#tell("info", el("p", {}, el("strong", {}, this.#who()), words, ...this.#when()), el("p", { class: "small" }, "Your own draft is kept as it is until this is saved."), again);
  }

  /** Show the three-way view; its result goes on to the difference, where it is reviewed. */
  #decide() {
    this.#shown?.destroy();
    this.#shown = null;
    this.#text = null;
    this.#tools.replaceChildren();
    const clashed = clashesOf(this.#file.parts);
    const words = clashed ? " saved this file meanwhile, and you both changed the same lines. Choose what counts; the rest is merged." : " saved this file meanwhile.";
    this.#tell(clashed ? "warn" : "info", el("p", {}, el("strong", {}, this.#who()), words, ...this.#when()));
    let result = null;
    const use = el("button", { type: "button", class: "btn btn-primary", onclick: () => {
      this.#text = result;
      this.#remember();
      this.#tellMerged();
      this.#difference(result);
      this.element.scrollIntoView({ block: "nearest" });
    } }, "Review the result");
    const box = el("div");
    this.#body.replaceChildren(box, el("div", { class: "bar three-end" }, el("span", { class: "grow" }), use));
    const author = this.#file.theirs && this.#file.theirs.author !== this.#context.user ? this.#file.theirs.author : "other window";
    threeWay(box, {
      parts: this.#file.parts, choices: this.#choices, names: { theirs: `Theirs (${author})`, mine: "Mine (your draft)" }, eol: this.#eol(),
      onChange: (text) => {
        result = text;
        use.disabled = text === null;
      },
    });
    this.#context.changed();
  }

  /** The file is not there any more, has another name, or is no text now. */
  #gone() {
    const { meanwhile, renamed_to: target } = this.#file;
    const words = { deleted: " deleted this file meanwhile.", renamed: ` renamed this file to ${target} meanwhile.`, binary: " replaced this file meanwhile by something that is no text." }[meanwhile];
    const keep = el("button", { type: "button", class: "btn", onclick: () => {
      this.#notice.replaceChildren();
      this.#difference(this.#file.mine);
    } }, meanwhile === "binary" ? "Save mine over it…" : "Keep mine, as a new file…");
    const move = meanwhile === "renamed" ? el("button", { type: "button", class: "btn btn-primary", onclick: () => this.#move(target) }, `Take my changes to ${target}`) : null;
    this.#tell("warn", el("p", {}, el("strong", {}, this.#who()), words, ...this.#when()), el("p", {}, "Nothing of yours is lost. What shall become of your draft?"), el("div", { class: "bar" }, move, keep));
    this.#body.replaceChildren();
  }

  async #move(target) {
    try {
      await post(page("/dag-review/move"), { path: this.path, new_path: target });
      await this.#context.reload(this.path, target);
    } catch (error) {
      notice(error.status === 409 ? `You have a draft of ${target} too. Save or discard that one first.` : error.message, "error");
    }
  }

  async #discard() {
    const sure = await confirm({ title: `Discard your draft of ${this.path}?`, text: "What you typed and did not save is lost.", action: "Discard", danger: true });
    if (!sure) return;
    clearTimeout(this.#timer);
    await this.#saving;
    try {
      await del(page("/dag-review/draft"), { path: this.path });
      await this.#context.reload(this.path, null);
    } catch (error) {
      notice(error.message, "error");
    }
  }
}
