/* When a source runs by itself: what is told of it, and the form that changes it. */

import { ApiError, api, post, tagged } from "../common/api.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { el, waiting } from "../common/dom.js";
import { askBeforeLeaving, ready } from "../common/form.js";
import { localTimes } from "../common/page.js";
import { showTimes } from "../schedules/times.js";
import { attachGuard, readGuard, showGuardError } from "./guard.js";

const FIELDS = ["cron", "zone", "email"];
const PAUSE = 400;
const FOLLOW = 3000;

/** Show the schedule of a source in its panel, and let it be changed. */
export function attachSchedule(panel, { source }) {
  const place = api(`/eda/sources/${encodeURIComponent(source)}/schedule`);
  const told = panel.querySelector("[data-schedule-told]");
  const actions = panel.querySelector("[data-schedule-actions]");
  const form = panel.querySelector("[data-schedule-form]");
  const times = panel.querySelector("[data-schedule-times]");
  const error = (field) => document.getElementById(`eda-${field}-error`);
  let shown = null; // the ETag of what is told above
  let base = null; // the ETag of what the form was filled from

  let drawn = "";
  let waiter = 0;

  function show(schedule) {
    clearTimeout(waiter);
    if (schedule?.state === "waiting") waiter = setTimeout(follow, FOLLOW);
    if (drawn === JSON.stringify(schedule)) return; // a button that is replaced loses the press that began on it
    drawn = JSON.stringify(schedule);
    const focused = [...actions.children].indexOf(document.activeElement);
    draw(schedule);
    if (focused < 0) return;
    const next = [...actions.children].slice(focused).find(({ disabled }) => !disabled);
    (next ?? panel.querySelector("[data-schedule] summary")).focus();
  }

  /* Airflow has not read it yet. Who cannot be asked is asked again: that the page is old is told beside the outputs. */
  async function follow() {
    try {
      const { answer, etag } = await tagged("GET", place);
      shown = etag;
      show(answer);
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      waiter = setTimeout(follow, FOLLOW);
    }
  }

  function draw(schedule) {
    actions.replaceChildren();
    if (!schedule) {
      told.textContent = "It runs when somebody presses Play. A schedule makes it regular.";
      return;
    }
    const state = schedule.state === "waiting" ? "Airflow reads it in a moment." : schedule.paused ? "It is paused." : "";
    const next = schedule.next_run ? [" Next: ", el("time", { datetime: schedule.next_run }, schedule.next_run), " (", el("span", { "data-zone": "" }, "UTC"), ")."] : [];
    const compared = schedule.compare ? " Each run is compared with the success before it." : "";
    told.replaceChildren(`${schedule.words}, for ${schedule.account}.`, ...next, state ? ` ${state}` : "", compared);
    localTimes(told);
    if (!form) return;
    actions.append(
      el("button", { type: "button", class: "btn", disabled: schedule.state !== "ready", onclick: () => pause(!schedule.paused) }, schedule.paused ? "Let it run" : "Pause"),
      ...(panel.dataset.mayDelete ? [el("button", { type: "button", class: "btn", onclick: remove }, "Delete the schedule")] : []),
    );
  }

  async function renew() {
    const found = await attempt(() => tagged("GET", place));
    if (!found) return undefined;
    shown = found.etag;
    show(found.answer);
    return found.answer;
  }

  async function pause(paused) {
    const done = await attempt(() => tagged("POST", `${place}/pause`, { body: { paused } }));
    if (!done) return;
    shown = done.etag;
    show(done.answer);
  }

  async function remove() {
    const sure = await confirm({ title: "Delete the schedule?", text: "The source runs by itself no more. Its outputs stay.", action: "Delete", danger: true });
    if (!sure) return;
    const done = await attempt(() => tagged("DELETE", place, { base: shown }));
    if (done) base = done.etag;
    await renew(); // also when it was refused, as somebody else has changed it
  }

  const typed = () => ({
    ...Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value.trim()])),
    compare: form.elements.compare.checked,
    fail_when: readGuard(form),
  });

  function wrong(problem) {
    const { field, message } = problem;
    if (showGuardError(form, problem)) return;
    const name = FIELDS.includes(field) ? field : "schedule";
    error(name).textContent = message;
    form.elements[field]?.focus?.();
  }

  const clear = () => [...FIELDS, "schedule"].forEach((name) => (error(name).textContent = ""));

  let timer = 0;
  let dirty = false;
  async function foresee() {
    const { cron, zone } = typed();
    if (!cron) return times.replaceChildren();
    try {
      const found = await post(`${place}/times`, { cron, zone });
      error("cron").textContent = error("zone").textContent = "";
      showTimes(times, "cron", { words: found.words, next: found.times });
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      times.replaceChildren();
      delete times.dataset.shown;
      if (FIELDS.includes(problem.field)) error(problem.field).textContent = problem.message;
    }
  }

  /** Show what somebody else saved, and let a second press put what is typed here in its place. */
  async function overtaken({ message }) {
    if ((await renew()) === undefined) return;
    base = shown;
    error("schedule").textContent = `${message} It is shown above, and what you typed is kept: save again to put it in its place.`;
  }

  async function save() {
    clear();
    try {
      const saved = await tagged("PUT", place, { body: typed(), base });
      dirty = false;
      base = shown = saved.etag;
      show(saved.answer);
      notice("The schedule is saved.");
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      wrong(problem);
      if (problem.status === 412) await overtaken(problem);
    }
  }

  renew().then((schedule) => {
    if (schedule === undefined) told.textContent = "When it runs by itself could not be asked. Reload the page to see and change it.";
    if (!form || schedule === undefined) return;
    base = shown;
    form.elements.cron.value = schedule?.cron ?? "";
    form.elements.zone.value = schedule?.zone ?? (Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    form.elements.email.value = (schedule?.email ?? []).join(", ");
    form.elements.compare.checked = schedule?.compare ?? true;
    attachGuard(form, schedule?.fail_when ?? null);
    form.addEventListener("input", ({ target }) => {
      dirty = true;
      if (!["cron", "zone"].includes(target.name)) return;
      clearTimeout(timer);
      timer = setTimeout(foresee, PAUSE);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      waiting(form.querySelector('button[type="submit"]'), save);
    });
    askBeforeLeaving(() => dirty);
    ready(form);
    if (schedule) foresee();
  });
}
