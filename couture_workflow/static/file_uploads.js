/* Uploads: chosen or dropped anywhere on the page, two at a time, each with its own bar, stop and retry. */

import { ApiError, upload } from "./api.js";
import { el, iconButton } from "./dom.js";

const AT_ONCE = 2;
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${UNITS[unit]}`;
}

/** A name that the server would take, as near as can be. */
const suggestion = (name) =>
  name
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}._+-]+/gu, "_")
    .replace(/^[^\p{L}\p{N}_]+/u, "");

const either = (words) => `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/** One file on its way. */
class Item {
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
      this.text.textContent =
        sent < total ? `${bytes(sent)} of ${bytes(total)}` : `${bytes(total)} sent, the server is checking it`;
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
    const id = `rename-${Math.random().toString(36).slice(2)}`;
    const input = el("input", { id, value: suggestion(this.name), spellcheck: "false", autocomplete: "off" });
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

export class Uploads {
  /** address(name): where to send a file; settings: data-* of the list; changed(): a file was stored. */
  constructor({ address, settings, changed }) {
    this.address = address;
    this.suffixes = settings.suffixes.split(" ");
    this.most = Number(settings.mostBytes);
    this.changed = changed;
    this.items = [];
    this.box = document.getElementById("uploads");
    this.list = document.getElementById("uploads-list");
    this.summary = document.getElementById("uploads-summary");
    document.getElementById("uploads-clear").addEventListener("click", () => this.clear());
    const choose = document.getElementById("choose");
    choose.addEventListener("change", () => {
      this.add([...choose.files]);
      choose.value = "";
    });
    this.listen();
  }

  listen() {
    let depth = 0;
    const over = (change) => {
      depth = change === null ? 0 : depth + change;
      document.body.classList.toggle("dragging", depth > 0);
    };
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    window.addEventListener("dragenter", (event) => carriesFiles(event) && over(1));
    window.addEventListener("dragleave", (event) => carriesFiles(event) && over(-1));
    window.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    window.addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      over(null);
      const folders = new Set(
        [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory)
          .map((entry) => entry.name),
      );
      this.add([...event.dataTransfer.files], folders);
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.items.some((item) => item.state === "sending" || item.state === "waiting")) event.preventDefault();
    });
  }

  add(chosen, folders = new Set()) {
    this.folders = folders;
    for (const file of chosen) {
      const item = new Item(file, this);
      this.items.push(item);
      this.list.append(item.row);
    }
    this.box.hidden = !this.items.length;
    this.tell();
    this.next();
  }

  /** Why it is no use to send a file, "" if it may be. */
  problem(file, name) {
    if (this.folders.has(name)) return "This is a folder. Pack it into a .zip file, or drop the files in it.";
    const suffixes = this.suffixes;
    if (!suffixes.some((suffix) => name.toLowerCase().endsWith(suffix))) {
      return `The name must end in ${either(suffixes)}.`;
    }
    if (file.size > this.most) return `The file has ${bytes(file.size)}, more than the limit of ${bytes(this.most)}.`;
    return "";
  }

  async next() {
    const sending = this.items.filter((item) => item.state === "sending").length;
    const waiting = this.items.find((item) => item.state === "waiting");
    if (!waiting || sending >= AT_ONCE) return;
    const sent = waiting.send();
    this.next();
    await sent;
    this.next();
    if (!this.items.some((item) => item.state === "sending" || item.state === "waiting")) this.changed();
  }

  tell() {
    const count = (...states) => this.items.filter((item) => states.includes(item.state)).length;
    const parts = [
      [count("waiting", "sending"), "under way"],
      [count("done", "warned"), "finished"],
      [count("failed"), "failed"],
      [count("stopped"), "stopped"],
    ];
    const told = parts.filter(([number]) => number).map(([number, word]) => `${number} ${word}`);
    this.summary.textContent = `Uploads: ${told.join(", ") || "none"}`;
  }

  drop(item) {
    this.items = this.items.filter((other) => other !== item);
    item.row.remove();
    this.box.hidden = !this.items.length;
    this.tell();
  }

  clear() {
    for (const item of [...this.items]) if (!["waiting", "sending"].includes(item.state)) this.drop(item);
  }
}
