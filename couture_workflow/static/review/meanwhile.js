/* What somebody else did to a file that is reviewed: merged, decided in the three-way view, moved or kept. */

import { page, post } from "../common/api.js";
import { clashesOf, mergedText, threeWay } from "./three-way.js";
import { notice } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { localTimes } from "../common/page.js";

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


const GONE = {
  deleted: () => " deleted this file meanwhile.",
  renamed: (target) => ` renamed this file to ${target} meanwhile.`,
  binary: () => " replaced this file meanwhile by something that is no text.",
};

export class Meanwhile {
  #file;
  #context;
  #owner;
  #choices = new Map();
  notice = el("div");

  /** `owner`: { body, difference(text), clear(), show() }. `context`: see ReviewedFile. */
  constructor(file, context, owner) {
    this.#file = file;
    this.#context = context;
    this.#owner = owner;
  }

  start() {
    if (this.#file.meanwhile === "changed") this.#merged();
    else this.#gone();
  }

  /** Keep what a person made of the merge: the draft stays as it is until it is saved. */
  remember(text) {
    memory.write(this.#key(), { text, choices: [...this.#choices] });
  }

  #key() {
    return memory.key(this.#file, this.#context.head);
  }

  get #eol() {
    return /\r\n/.test(this.#file.mine) ? "\r\n" : "\n";
  }

  #tell(kind, words, ...more) {
    const { theirs } = this.#file;
    const who = !theirs ? "Somebody else" : theirs.author === this.#context.user ? "You, in another window," : theirs.author;
    const when = theirs ? [" (“", el("span", { class: "break" }, theirs.message.split("\n")[0]), "”, ", el("time", { class: "nowrap", datetime: theirs.when }, theirs.when), ")"] : [];
    const text = el("p", {}, el("strong", {}, who), words, ...when);
    this.notice.replaceChildren(el("div", { class: `alert alert-${kind} file-notice`, role: "status" }, el("div", { class: "grow" }, text, ...more)));
    localTimes(this.notice);
  }

  #merged() {
    const kept = memory.read(this.#key());
    this.#choices = new Map(kept?.choices ?? []);
    const text = kept?.text ?? mergedText(this.#file.parts, this.#choices, this.#eol);
    if (text === null) this.#decide();
    else this.#show(text);
  }

  #show(text) {
    const words = clashesOf(this.#file.parts)
      ? " saved this file meanwhile. You decided the clashes; below is the result."
      : " saved this file meanwhile. Both changes fit together; below is the result.";
    const again = el("button", { type: "button", class: "btn btn-small", onclick: () => this.#decide() }, "Show the three-way view");
    this.#tell("info", words, el("p", { class: "small" }, "Your own draft is kept as it is until this is saved."), again);
    this.#owner.difference(text);
  }

  /** Show the three-way view; its result goes on to the difference, where it is reviewed. */
  #decide() {
    this.#owner.clear();
    const clashed = clashesOf(this.#file.parts);
    this.#tell(clashed ? "warn" : "info", clashed ? " saved this file meanwhile, and you both changed the same lines. Choose what counts; the rest is merged." : " saved this file meanwhile.");
    let result = null;
    const use = el("button", { type: "button", class: "btn btn-primary", onclick: () => {
      this.remember(result);
      this.#show(result);
      this.#owner.show();
    } }, "Review the result");
    const box = el("div");
    this.#owner.body.replaceChildren(box, el("div", { class: "bar three-end" }, el("span", { class: "grow" }), use));
    const author = this.#file.theirs && this.#file.theirs.author !== this.#context.user ? this.#file.theirs.author : "other window";
    threeWay(box, {
      parts: this.#file.parts, choices: this.#choices, names: { theirs: `Theirs (${author})`, mine: "Mine (your draft)" }, eol: this.#eol,
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
    const keep = el("button", { type: "button", class: "btn", onclick: () => {
      this.notice.replaceChildren();
      this.#owner.difference(this.#file.mine);
    } }, meanwhile === "binary" ? "Save mine over it…" : "Keep mine, as a new file…");
    const move = meanwhile === "renamed" ? el("button", { type: "button", class: "btn btn-primary", onclick: () => this.#move(target) }, `Take my changes to ${target}`) : null;
    this.#tell("warn", GONE[meanwhile](target), el("p", {}, "Nothing of yours is lost. What shall become of your draft?"), el("div", { class: "bar" }, ...[move, keep].filter(Boolean)));
    this.#owner.body.replaceChildren();
  }

  async #move(target) {
    try {
      await post(page("/dag-review/move"), { path: this.#file.path, new_path: target });
      await this.#context.reload(this.#file.path, target);
    } catch (error) {
      notice(error.status === 409 ? `You have a draft of ${target} too. Save or discard that one first.` : error.message, "error");
    }
  }
}
