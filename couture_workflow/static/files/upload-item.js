/* One upload: its line with a bar, stop and retry, and a form to give it a name that the server takes. */

import { ApiError, upload } from "../common/api.js";
import { el, freshId, iconButton } from "../common/dom.js";
import { bytes, uploaded } from "../common/sizes.js";

/** A name that the server would take, as near as can be; `plain`: without letters beyond ASCII. */
const suggestion = (name, plain) =>
  (plain ? name.normalize("NFKD").replace(/\p{M}+/gu, "").replace(/[^\x21-\x7e]+/g, "_") : name)
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}._+-]+/gu, "_")
    .replace(/^[^\p{L}\p{N}_]+/u, "");

/** One file on its way; `owner` is the list of them, see uploads.js. */
export class Item {
  constructor(file, owner) {
    this.file = file;
    this.owner = owner;
    this.name = file.name;
    this.state = "waiting";
    this.bar = el("progress", { class: "progress", max: 1, value: 0, "aria-label": `Progress of ${file.name}` });
    this.label = el("span", { class: "upload-name" }, file.name);
    this.text = el("span", { class: "small muted upload-wide" });
    this.buttons = el("span", { class: "nowrap" });
    this.extra = el("div", { class: "upload-wide", hidden: true });
    this.row = el("li", {}, this.label, this.buttons, this.bar, this.text, this.extra);
    this.bar.classList.add("upload-wide");
    this.wait();
  }

  show(state, text, kind = "") {
    this.state = state;
    this.row.dataset.state = state;
    this.text.textContent = text;
    this.text.className = `upload-wide ${kind || "small muted"}`;
    this.bar.hidden = !["waiting", "sending"].includes(state);
    this.extra.hidden = true;
    this.extra.replaceChildren();
    const retry = ["failed", "stopped"].includes(state) && !this.owner.problem(this.file, this.name);
    const under = ["waiting", "sending"].includes(state);
    this.buttons.replaceChildren(
      ...(retry ? [iconButton("restore", `Try ${this.name} again`, () => this.wait())] : []),
      under
        ? iconButton("close", `Stop ${this.name}`, () => this.stop())
        : iconButton("close", `Take ${this.name} off this list`, () => this.owner.drop(this)),
    );
    this.owner.tell();
  }

  wait() {
    this.bar.value = 0;
    this.show("waiting", `${bytes(this.file.size)}, waiting`);
    const problem = this.owner.problem(this.file, this.name);
    if (problem) this.show("failed", problem, "field-error");
    this.owner.next();
  }

  stop() {
    if (this.state === "sending") this.abort.abort();
    else this.show("stopped", "Stopped. Nothing was stored.");
    this.owner.next();
  }

  async send() {
    this.abort = new AbortController();
    this.show("sending", `${bytes(this.file.size)}`);
    const progress = (sent, total) => {
      this.bar.value = total ? sent / total : 1;
      this.text.textContent = uploaded(sent, total);
    };
    try {
      const answer = await upload(this.owner.address(this.name), this.file, progress, { signal: this.abort.signal });
      this.done(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "aborted") this.show("stopped", "Stopped. Nothing was stored.");
      else this.fail(error);
    }
  }

  done({ name, outcome, version, warning }) {
    const text = {
      created: `Uploaded as ${name}`,
      replaced: `Uploaded as version ${version}`,
      unchanged: `Unchanged: version ${version} has the same content`,
    }[outcome];
    if (warning) this.show("warned", `${text}. But ${warning}`, "upload-warning");
    else this.show("done", text, "upload-ok");
  }

  fail(error) {
    this.show("failed", error.message, "field-error");
    if (error.code !== "invalid_name") return;
    const id = freshId("rename");
    const input = el("input", { id, value: suggestion(this.name, this.owner.plainNames), spellcheck: "false", autocomplete: "off" });
    const again = (event) => {
      event.preventDefault();
      this.name = input.value;
      this.label.textContent = this.name === this.file.name ? this.name : `${this.file.name} → ${this.name}`;
      this.wait();
    };
    this.extra.append(
      el(
        "form",
        { class: "upload-rename", onsubmit: again },
        el("label", { for: id }, "Upload it as"),
        input,
        el("button", { class: "btn btn-small" }, "Upload"),
      ),
    );
    this.extra.hidden = false;
  }
}
