/* Uploads: chosen or dropped anywhere on the page, two at a time; upload-item.js has the single one. */

import { listenForFiles, whenChosen } from "../common/drop.js";
import { askBeforeLeaving } from "../common/form.js";
import { tooLarge } from "../common/sizes.js";
import { Item } from "./upload-item.js";

const AT_ONCE = 2;

const either = (words) => `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

export class Uploads {
  /** address(name): where to send a file; settings: data-* of the list; changed(): a file was stored. */
  constructor({ address, settings, changed }) {
    this.address = address;
    this.suffixes = settings.suffixes.split(" ");
    this.most = Number(settings.mostBytes);
    this.plainNames = Boolean(settings.plainNames);
    this.packed = settings.packed ?? ".zip";
    this.changed = changed;
    this.items = [];
    this.box = document.getElementById("uploads");
    this.list = document.getElementById("uploads-list");
    this.summary = document.getElementById("uploads-summary");
    document.getElementById("uploads-clear").addEventListener("click", () => this.clear());
    whenChosen(document.getElementById("choose"), (files) => this.add(files));
    this.listen();
  }

  listen() {
    listenForFiles((files, entries) => {
      this.add(files, new Set(entries.filter((entry) => entry.isDirectory).map((entry) => entry.name)));
    });
    askBeforeLeaving(() => this.underWay());
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
    if (this.folders.has(name)) return `This is a folder. Pack it into a ${this.packed} file, or drop the files in it.`;
    const suffixes = this.suffixes;
    if (!suffixes.some((suffix) => name.toLowerCase().endsWith(suffix))) {
      return `The name must end in ${either(suffixes)}.`;
    }
    return tooLarge("The file has", file.size, this.most);
  }

  underWay() {
    return this.items.some((item) => item.state === "sending" || item.state === "waiting");
  }

  async next() {
    const sending = this.items.filter((item) => item.state === "sending").length;
    const waiting = this.items.find((item) => item.state === "waiting");
    if (!waiting || sending >= AT_ONCE) return;
    const sent = waiting.send();
    this.next();
    await sent;
    this.next();
    if (!this.underWay()) this.changed();
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
