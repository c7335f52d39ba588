/* What is done to a schedule from the list: pause, run with other parameters, take the notebook of now, delete. */

import { ApiError, api, del, get, page, post } from "../common/api.js";
import { attempt, notice } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";
import { bytes } from "../common/sizes.js";
import { cellDifferences } from "./cells.js";
import { Parameters, ofSchedule } from "./parameters.js";

const at = (name, rest = "") => `${api("/notebooks/schedules/")}${encodeURIComponent(name)}${rest}`;

/**
 * A dialog that does something; resolves to what `work()` gives, to null if it was cancelled. What the server refuses is
 * told in it, by `tell(error)` beside the field if that finds one, and nothing that was typed is lost.
 */
function doing({ title, content, action, danger = false, work, tell = () => false, focus }) {
  const problem = el("p", { class: "alert alert-error", role: "alert", hidden: true });
  const cancel = el("button", { type: "button", class: "btn", onclick: () => dialog.close() }, "Cancel");
  const ok = el("button", { class: `btn ${danger ? "btn-danger" : "btn-primary"}` }, action);
  const form = el("form", { class: "stack", novalidate: true }, ...content, problem, el("div", { class: "dialog-actions" }, cancel, ok));
  const dialog = el("dialog", { class: "dialog dialog-wide", "aria-label": title }, el("h2", { class: "break" }, title), form);
  let done = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (ok.disabled) return;
    ok.disabled = true;
    problem.hidden = true;
    try {
      done = (await work()) ?? {};
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (tell(error)) return;
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      ok.disabled = false;
    }
  });
  dialog.addEventListener("cancel", (event) => ok.disabled && event.preventDefault());
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
    dialog.showModal();
    (focus?.() ?? (danger ? cancel : ok)).focus();
  });
}

/** Pause a schedule, or let it run again; tells whether that was done. */
export async function pauseSchedule(name, paused) {
  const done = await attempt(() => post(at(name, "/pause"), { paused }));
  if (done) notice(paused ? `${name} is paused. Runs that go on go on.` : `${name} is active.`);
  return done;
}

/** Start a run, with other parameters if they are wanted. */
export async function runSchedule(name, { dag }) {
  const found = await attempt(() => get(at(name)));
  if (!found) return null;
  const list = el("ul", { class: "stack plain" });
  const parameters = new Parameters(list, { changed: () => {} });
  const offered = ofSchedule(found);
  parameters.show(offered);
  const more = el("button", { type: "button", class: "btn btn-small", onclick: () => parameters.add() }, "Add parameter");
  const started = await doing({
    title: `Run ${name} now`, action: "Run now",
    content: [
      el("p", { class: "muted" }, offered.length ? "With these parameters; the schedule keeps its own. What you change is taken as it stands here." : "The notebook has no parameters."),
      found.paused ? el("p", { class: "alert alert-warn" }, "The schedule is paused: the run waits until it is active.") : null,
      list, el("div", {}, more),
    ].filter(Boolean),
    work: () => {
      const values = parameters.values();
      parameters.clear();
      return post(at(name, "/run"), {
        parameters: Object.fromEntries(values.map((value) => [value.name, value.text])),
        types: Object.fromEntries(values.map((value) => [value.name, value.type])),
      });
    },
    tell(error) {
      const controls = (error.body.problems ?? []).map(({ field, message, level }) => parameters.tell(level, field.replace(/^parameters\./, ""), message));
      controls.find(Boolean)?.focus();
      return controls.some(Boolean);
    },
  });
  if (!started) return null;
  const box = notice("Started. ");
  const run = `${dag}/runs/${encodeURIComponent(started.run_id)}`;
  box.querySelector(".grow").append(el("a", { "data-airflow": true, href: run }, "Open the run in Airflow"));
  return started;
}

/** Show what differs, and take the notebook of now. */
export async function updateCopy(name) {
  const found = await attempt(() => get(at(name, "/copy")));
  if (!found) return null;
  if (found.state !== "behind") {
    notice(found.message || "The copy is the same as the notebook.", "info");
    return found;
  }
  const files = found.files.length ? [el("p", {}, "Files beside the notebook that differ:"), el("ul", {}, ...found.files.map((path) => el("li", { class: "mono break" }, path)))] : [];
  const done = await doing({
    title: `Update the copy of ${name}`, action: "Update the copy",
    content: [
      el("p", { class: "muted" }, "Runs that start from then on use the notebook as it is now. The earlier copy stays in DAG History."),
      el("p", { class: "break" }, "Whoever may read DAG files can read what is copied: ", el("span", { class: "mono" }, [found.source, ...found.taken].join(", ")), "."),
      ...cellDifferences(found), ...files,
    ],
    work: () => post(at(name, "/copy")),
  });
  if (done) notice(`The copy of ${name} is the notebook of now.`);
  return done;
}

/** Delete a schedule, and its outputs if that is chosen. */
export async function removeSchedule(name) {
  const room = await attempt(() => get(page(`/notebook-schedules/${encodeURIComponent(name)}/outputs`)));
  if (!room) return null;
  const left = room.tries ? `They are of ${room.tries === 1 ? "1 run" : `${room.tries.toLocaleString("en")} runs`} and take ${room.whole ? "" : "more than "}${bytes(room.bytes)}.` : "There are none yet.";
  const choice = (value, label, checked) => {
    const input = el("input", { type: "radio", name: "outputs", value, id: freshId("outputs"), checked });
    return { input, node: el("div", {}, el("label", { for: input.id, class: "choice" }, input, label)) };
  };
  const keep = choice("keep", "Keep them", true);
  const drop = choice("delete", "Delete them too", false);
  const done = await doing({
    title: `Delete ${name}?`, action: "Delete", danger: true,
    content: [
      el("p", {}, "It does not run again. Its DAG file and its copy of the notebook stay in DAG History, and the notebook itself stays where it is."),
      el("fieldset", {}, el("legend", {}, "What its runs left: notebooks with their results, pages and files"), el("p", { class: "help" }, left), keep.node, drop.node),
    ],
    work: () => del(`${at(name)}?outputs=${drop.input.checked ? "delete" : "keep"}`),
  });
  if (done) notice(`${name} is deleted.`);
  return done;
}
