/* Which text is shown: the saved one, the draft, what this browser kept, what another window or person has made of it.
   Nothing that somebody typed is dropped without a question. */

import { confirm, notice } from "../common/dialog.js";
import { clock, tell } from "./banners.js";
import { DraftKeeper } from "./drafts.js";

const plain = (text) => text.replace(/\r\n?/g, "\n");
const isAside = ({ key }) => key.includes(" aside-");

export class Texts {
  /** `given`: what the server sent with the page; `showState(kind, detail)` and `review()` of the page. */
  constructor(given, { showState, review }) {
    Object.assign(this, { given, showState, review, view: null, replacing: false, exists: given.exists });
    this.windows = /\r\n/.test(given.text) && !/(^|[^\r])\n/.test(given.text);
    this.newest = given.newest ?? { base: given.base, text: given.text };
    this.keeper = given.canType ? this.makeKeeper() : null;
    this.first = this.firstText();
  }

  makeKeeper() {
    return new DraftKeeper(this.given, {
      text: () => this.text(),
      state: this.showState,
      changed: (commit, status) => this.changed(commit, status),
      clash: () => this.clash(),
      elsewhere: (status) => this.elsewhere(status),
      stranger: (name) => this.stranger(name),
    });
  }

  /** The text with the line ends of its file. */
  text() {
    const text = this.view.state.doc.toString();
    return this.windows ? text.replace(/\n/g, "\r\n") : text;
  }

  /** What was typed last, here or elsewhere: { content, kept (by this browser alone), others }. */
  firstText() {
    const { draft, text } = this.given;
    const kept = this.keeper?.local.all().filter((each) => !isAside(each) && this.isNews(each)) ?? [];
    const isNewer = kept.length > 0 && (!draft || kept[0].at > draft.saved);
    return isNewer
      ? { content: kept[0].content, kept: kept[0], others: kept.slice(1) }
      : { content: draft?.content ?? text, kept: null, others: kept };
  }

  /** Tell whether a text of this browser is none of those that are known otherwise; forget it if it is. */
  isNews({ key, content }, known = [this.given.draft?.content ?? this.newest.text, this.newest.text]) {
    if (!known.some((each) => plain(each) === plain(content))) return true;
    this.keeper.local.remove({ key });
    return false;
  }

  /** The view shows the first text: say what it is, and what else there is. */
  start() {
    if (!this.keeper) return;
    const { given, keeper, first } = this;
    if (first.kept) {
      keeper.base = first.kept.base;
      if (given.draft) keeper.local.setAside({ ...given.draft, at: given.draft.saved });
      keeper.local.remove(first.kept);
      keeper.touch();
      notice("What you typed before is back.", "info");
    } else if (given.draft) {
      this.showState("kept", given.draft.saved);
      this.tellDraft();
    }
    for (const old of first.others) {
      keeper.local.remove(old);
      keeper.local.setAside(old);
    }
    this.offerAside();
    if (given.changed) this.changed(given.changed);
  }

  tellDraft() {
    const { saved, base } = this.given.draft;
    const from = base ? `, based on version ${base.slice(0, 8)}` : this.exists ? "" : " of a new file";
    tell("draft", {
      text: `You have a draft from ${clock(saved)}${from}. It is shown here; nobody else sees it until you save it.`,
      actions: [["Discard", () => this.discard()]], closable: true,
    });
  }

  /** Put a whole text in place: a step that can be undone, and nothing that was typed. */
  replace(content) {
    const doc = plain(content);
    const { head } = this.view.state.selection.main;
    this.replacing = true;
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: doc },
      selection: { anchor: Math.min(head, doc.length) },
      userEvent: "input.replace",
    });
    this.replacing = false;
  }

  /** Somebody has saved another version (null: nobody has). */
  changed(commit, status) {
    if (status?.newest) this.newest = status.newest;
    if (!commit) return tell("changed", null);
    if (status?.newest && plain(status.newest.text) === plain(this.text())) return this.adopt(status.newest);
    const who = commit.author === this.given.user ? "You" : commit.author;
    const hasDraft = this.keeper.dirty || this.keeper.revision !== null;
    tell("changed", {
      kind: "warn",
      text: `${who} saved another version of this file at ${clock(commit.when)}: ${commit.message.split("\n")[0]}`,
      actions: hasDraft
        ? [["See the difference", this.review], ["Discard my draft", () => this.discard()]]
        : [["Show it", () => location.reload()]],
    });
  }

  /** The text shown has become a version, by a save in another window or by somebody else. */
  adopt(newest) {
    this.exists = true;
    this.keeper.settle(newest.base, null);
    tell("changed", null);
    this.showState("saved");
  }

  clash() {
    tell("clash", {
      kind: "warn", urgent: true,
      text: "You have typed in this file in another window too. Nothing is lost: choose which text to go on with.",
      actions: [
        ["Keep this text", async () => (await this.keeper.keep({ force: true })) && tell("clash", null)],
        ["Use the other text", async () => {
          const status = await this.keeper.status();
          if (!status?.newest && status?.draft?.content === undefined) return;
          this.keeper.local.setAside(this.shown());
          this.elsewhere(status, { quiet: true });
          this.offerAside();
        }],
      ],
    });
  }

  shown() {
    return { content: this.text(), base: this.keeper.base, at: new Date().toISOString() };
  }

  /** Another window has changed the draft, and nothing was typed here since. */
  elsewhere(status, { quiet = false } = {}) {
    const { draft, newest } = status;
    this.replace(draft ? draft.content : newest.text);
    this.keeper.settle(draft ? draft.base : newest.base, draft?.revision ?? null);
    this.showState(draft ? "kept" : "saved", draft?.saved);
    tell("clash", null);
    if (!quiet) notice(draft ? "This is what you typed in another window." : "The draft was discarded in another window.", "info");
  }

  /** A text that this browser has beside the one shown can be shown, or deleted. */
  offerAside() {
    const known = [this.text(), this.newest.text];
    const [first] = this.keeper.local.all().filter((each) => isAside(each) && this.isNews(each, known));
    if (!first) return tell("aside", null);
    const then = (work) => () => {
      work();
      this.offerAside();
    };
    tell("aside", {
      text: `This browser also keeps a text of this file from ${clock(first.at)} that is not the one shown.`,
      actions: [
        ["Show it instead", then(() => {
          this.keeper.local.setAside(this.shown());
          this.keeper.local.remove(first);
          this.replace(first.content);
          this.keeper.base = first.base;
          this.keeper.touch();
        })],
        ["Delete it", then(() => this.keeper.local.remove(first))],
      ],
    });
  }

  stranger(name) {
    const { user } = this.given;
    tell("stranger", {
      kind: "error", urgent: true,
      text: `You are logged in as ${name} now, and this text is ${user}'s. It is kept in this browser for ${user}.`,
      actions: [["Reload the page", () => location.reload()]],
    });
  }

  async discard() {
    const back = this.exists ? "the newest version" : "an empty text";
    const text = `${this.given.path} goes back to ${back}.`;
    if (!(await confirm({ title: "Discard your draft?", text, action: "Discard", danger: true }))) return;
    try {
      const saved = await this.keeper.discard();
      this.exists = saved.exists;
      this.newest = saved;
      this.replace(saved.text);
      for (const key of ["draft", "changed", "clash"]) tell(key, null);
      this.showState("saved");
      this.view.focus();
    } catch (error) {
      notice(error.message, "error");
    }
  }
}
