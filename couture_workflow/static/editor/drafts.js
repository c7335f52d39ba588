/* Autosave: what is typed goes to the server as the account's draft, and stays in this browser until it is there. */

import { ApiError, get, page, post } from "../common/api.js";
import { localTexts } from "./local.js";

const QUIET = 1000; // milliseconds without a key before a draft is sent
const LOCAL = 200;
const RETRY = 5000;
const KEEPALIVE = 60_000; // bytes: browsers refuse larger bodies of calls that outlive the page

/**
 * `given`: path, user, base, draft. `hooks`: text() of the editor; state(kind, detail) and changed(commit) are told;
 * clash(error) when another window has kept another text; stranger(name) when somebody else is logged in now.
 */
export class DraftKeeper {
  constructor(given, hooks) {
    Object.assign(this, { path: given.path, user: given.user, base: given.base, hooks });
    this.revision = given.draft?.revision ?? null;
    this.local = localTexts(given.user, given.path);
    this.dirty = false; // the server does not have the text
    this.blocked = false; // until somebody decides
    this.sending = null;
    this.token = document.querySelector('meta[name="csrf-token"]');
    document.addEventListener("visibilitychange", () => (document.hidden ? this.leave() : this.look()));
    addEventListener("pagehide", () => this.leave());
    addEventListener("focus", () => this.look());
    addEventListener("online", () => this.keep());
    addEventListener("beforeunload", (event) => this.dirty && event.preventDefault());
  }

  /** The text has changed. */
  touch() {
    this.dirty = true;
    if (!this.blocked) this.hooks.state("typing");
    clearTimeout(this.localTimer);
    this.localTimer = setTimeout(() => this.local.keep(this.hooks.text(), this.base), LOCAL);
    this.later(QUIET);
  }

  later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), milliseconds);
  }

  /** Send the draft now, if there is something to send; resolves to whether the server has the text. */
  async keep({ force = false } = {}) {
    clearTimeout(this.timer);
    while (this.sending) await this.sending;
    if (!this.dirty) return true;
    if (this.blocked && !force) return false;
    this.sending = this.send(force);
    try {
      return await this.sending;
    } finally {
      this.sending = null;
    }
  }

  async send(force, again = true) {
    const content = this.hooks.text();
    this.hooks.state("keeping");
    try {
      const answer = await post(page("/dag-editor/draft"), this.body(content, force));
      this.kept(answer, content);
      return true;
    } catch (error) {
      this.local.keep(content, this.base);
      if (error.code === "csrf" && again && (await this.renew())) return this.send(force, false);
      this.failed(error);
      return false;
    }
  }

  body(content, force = false) {
    return { path: this.path, base: this.base, content, expected: force ? "*" : this.revision };
  }

  kept(answer, content) {
    this.revision = answer.draft?.revision ?? null;
    this.blocked = false;
    if (this.hooks.text() === content) {
      this.dirty = false;
      clearTimeout(this.localTimer);
      this.local.drop();
      this.hooks.state(answer.draft ? "kept" : "saved", answer.draft?.saved);
    }
    this.hooks.changed(answer.changed);
  }

  failed(error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 409) {
      this.blocked = true;
      this.hooks.state("clash");
      this.hooks.clash(error);
    } else if (error.status === 401) {
      this.hooks.state("expired");
    } else if (error.status === 0 || error.status >= 500) {
      this.hooks.state("offline", error.message);
      this.later(RETRY);
    } else {
      this.hooks.state("refused", error.message);
    }
  }

  /** Take a new token after a new log-in; false if it is another account's now. */
  async renew() {
    const status = await this.status();
    return status !== null && status.user === this.user;
  }

  /** What the server knows of the file now, null if it cannot be asked. */
  async status() {
    try {
      const query = new URLSearchParams({ path: this.path, base: this.base ?? "", revision: this.revision ?? "" });
      const status = await get(page(`/dag-editor/status?${query}`));
      if (status.user !== this.user) this.hooks.stranger(status.user);
      else this.token.content = status.csrf;
      return status;
    } catch (error) {
      if (error.status === 401) this.hooks.state("expired");
      return null;
    }
  }

  /** Somebody is back at this window: what happened meanwhile, and send what could not be sent. */
  async look() {
    if (this.looking) return;
    this.looking = true;
    const status = await this.status();
    this.looking = false;
    if (!status || status.user !== this.user) return;
    this.hooks.changed(status.changed, status);
    if (this.dirty) this.keep();
    else if ((status.draft?.revision ?? null) !== this.revision) this.hooks.elsewhere(status);
    else this.hooks.state(this.revision ? "kept" : "saved", status.draft?.saved);
  }

  /** The page may be gone the next moment. */
  leave() {
    if (!this.dirty) return;
    const content = this.hooks.text();
    this.local.keep(content, this.base);
    if (this.blocked) return;
    const body = this.body(content);
    const keepalive = JSON.stringify(body).length < KEEPALIVE;
    post(page("/dag-editor/draft"), body, { keepalive }).then((answer) => this.kept(answer, content), () => {});
  }

  /** Throw the draft away; resolves to what is saved: { base, text, exists }. */
  async discard() {
    clearTimeout(this.timer);
    while (this.sending) await this.sending;
    const saved = await post(page("/dag-editor/discard"), { path: this.path });
    this.settle(saved.base, null);
    return saved;
  }

  /** The text shown is what the server has: as a draft of this revision, or as the saved version. */
  settle(base, revision) {
    Object.assign(this, { base, revision, dirty: false, blocked: false });
    clearTimeout(this.timer);
    clearTimeout(this.localTimer);
    this.local.drop();
  }
}
