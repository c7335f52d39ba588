/* Every change of files, looked at before it is saved: what it does, what the gate says, who uses it, conflicts. */

import { ApiError, get, page } from "../common/api.js";
import { el, freshId, icon } from "../common/dom.js";
import { messageField } from "../common/review.js";
import { fileTable, meanwhileBox, problemList, runList, upgrades, useList } from "./plan.js";

/**
 * Show the plan of a change and save it; resolves to what the server says of the save, null if it was cancelled.
 *
 * `check(settings)` resolves to the plan and `save(settings, decision)` to the saved state; `settings` is what the
 * person chose in the dialog: { names: source -> path, skip: [source], upgrade: [source] }, and whatever `fields(set)`,
 * which makes nodes for the top of the dialog, sets by set({ folder }). An error leaves the dialog as it is, with all
 * that was typed. With `skips`, files can be left out.
 */
export function change(options) {
  return new Promise((resolve) => new ChangeDialog(options, resolve));
}

class ChangeDialog {
  constructor({ title, intro = "", action, danger = false, skips = false, fields, check, save }, resolve) {
    Object.assign(this, { action, danger, skips, ask: check, keep: save, settings: { names: {}, skip: [], upgrade: [] } });
    const choose = (chosen, { quiet = false } = {}) => {
      Object.assign(this.settings, chosen);
      if (!quiet) this.check();
    };
    this.plan = null;
    const { field, input } = messageField({ label: "Message" });
    this.message = input;
    this.message.addEventListener("input", () => (this.typed = true));
    this.override = el("input", { type: "checkbox", id: freshId("override"), onchange: () => this.enable() });
    this.status = el("p", { class: "muted", role: "status" });
    this.alert = el("div", { class: "stack" });
    this.body = el("div", { class: "stack" });
    this.reason = el("p", { class: "grow small break change-reason", role: "status" });
    this.ok = el("button", { class: `btn ${danger ? "btn-danger" : "btn-primary"}` }, action);
    const cancel = el("button", { type: "button", class: "btn", onclick: () => this.dialog.close() }, "Cancel");
    this.overrideBox = el(
      "div", { hidden: true },
      el("label", { for: this.override.id }, this.override, " Save in spite of the errors (this is written to the audit log)"),
    );
    this.form = el(
      "form", { class: "stack", novalidate: true, onsubmit: (event) => this.submit(event) },
      intro ? el("p", { class: "muted" }, intro) : null,
      ...(fields ? fields(choose) : []),
      this.status, this.alert, this.body,
      field,
      this.overrideBox,
      el("div", { class: "dialog-actions" }, this.reason, cancel, this.ok),
    );
    this.dialog = el("dialog", { class: "dialog dialog-wide dialog-change", "aria-label": title }, el("h2", {}, title), this.form);
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      this.closed = true;
      resolve(this.saved ?? null);
    });
    this.dialog.addEventListener("cancel", (event) => this.busy === "save" && event.preventDefault());
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.check();
  }

  working(what) {
    this.busy = what;
    this.status.hidden = !what;
    this.status.textContent = { check: "Checking…", save: "Saving…" }[what] ?? "";
    this.form.setAttribute("aria-busy", String(Boolean(what)));
    this.enable();
  }

  enable() {
    const plan = this.plan;
    const blocked = !plan || (!plan.passed && !this.override.checked) || plan.count === 0;
    this.ok.disabled = Boolean(this.busy) || blocked;
    this.ok.textContent = plan ? plan.action ?? this.action : this.action;
    const why = this.busy ? "" : this.why();
    if (this.reason.textContent !== why) this.reason.textContent = why;
  }

  /** Why it cannot be saved, "" if it can. */
  why() {
    const { plan } = this;
    if (!plan) return "";
    if (!plan.passed && !this.override.checked) {
      const count = plan.problems.filter(({ level }) => level === "error").length;
      const errors = count === 1 ? "An error keeps" : count ? `${count} errors keep` : "Errors keep";
      const remedy = plan.files.some(({ upgrade }) => upgrade && !upgrade.chosen) ? "Upgrade the old code first." : plan.may_override ? "Correct the files, or save in spite of them." : "Correct the files, then try again.";
      return `${errors} the change from being saved. ${remedy}`;
    }
    return plan.count === 0 ? "There is nothing to save." : "";
  }

  async check() {
    const mine = (this.asked = (this.asked ?? 0) + 1);
    this.working("check");
    this.alert.replaceChildren();
    try {
      const plan = await this.ask(this.settings);
      if (mine !== this.asked || this.closed) return;
      this.plan = plan;
      if (!this.typed) this.message.value = plan.message;
      this.show();
    } catch (error) {
      if (mine !== this.asked || this.closed) return;
      if (!(error instanceof ApiError)) throw error;
      this.plan = null;
      this.fail(error);
    } finally {
      if (mine === this.asked) this.working("");
    }
    if (!this.closed && !this.dialog.contains(document.activeElement)) this.refocus();
  }

  /** The control that was used is gone with the old plan: stay where the eyes are, do not scroll away. */
  refocus() {
    const first = this.danger ? this.form.querySelector(".dialog-actions .btn") : this.body.querySelector(".plan-files");
    (first ?? this.message).focus({ preventScroll: true });
  }

  show() {
    const { plan } = this;
    this.overrideBox.hidden = plan.passed || !plan.may_override;
    if (plan.passed) this.override.checked = false;
    const empty = !plan.files.length && !plan.left_out?.length && !this.settings.skip.length;
    const parts = empty ? [] : [upgrades(plan, this), fileTable(plan, this), runList(plan), useList(plan), problemList(plan)];
    this.body.replaceChildren(...parts.filter(Boolean));
  }

  fail(error, ...more) {
    const again = el("button", { type: "button", class: "btn btn-small", onclick: () => this.check() }, icon("restore"), "Check again");
    const words = error.status === 401 ? "Your login has expired. Log in again in another tab, then go on here: nothing is lost." : error.message;
    this.alert.replaceChildren(
      el("div", { class: "alert alert-error", role: "alert" }, el("span", { class: "grow" }, words), again), ...more,
    );
  }

  setAll(part, sources) {
    this.settings = { ...this.settings, [part]: sources };
    this.check();
  }

  /** Choose something for a file of an upload and look at the plan again. */
  set(part, source, value) {
    if (part === "names") this.settings.names = { ...this.settings.names, [source]: value };
    else {
      const others = this.settings[part].filter((other) => other !== source);
      this.settings = { ...this.settings, [part]: value ? [...others, source] : others };
    }
    this.check();
  }

  async submit(event) {
    event.preventDefault();
    if (this.ok.disabled) return;
    this.working("save");
    this.alert.replaceChildren();
    const decision = { base: this.plan.base, message: this.message.value.trim() || this.plan.message, override: this.override.checked };
    try {
      const saved = await this.keep(this.settings, decision);
      this.saved = { ...saved, paths: this.plan.files.filter((file) => ["new", "replaces", "renamed"].includes(file.kind)).map((file) => file.path) };
      this.dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await this.refused(error, decision);
    } finally {
      this.working("");
    }
  }

  async refused(error, { base }) {
    if (error.code === "gate") {
      this.plan = { ...this.plan, problems: error.body.problems, passed: false, may_override: error.body.may_override ?? this.plan.may_override };
      this.show();
    }
    if (error.code !== "conflict") return this.fail(error);
    const query = new URLSearchParams([["base", base ?? ""], ...(error.body.paths ?? []).map((path) => ["path", path])]);
    const changes = await get(`${page("/manage-dags/meanwhile")}?${query}`).catch(() => null);
    this.fail(error, changes ? meanwhileBox(changes) : "");
  }
}
