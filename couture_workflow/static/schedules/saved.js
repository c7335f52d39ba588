/* After a save: words until Airflow has read the DAG, then the way to its page. */

import { get, page } from "../common/api.js";
import { el } from "../common/dom.js";
import { inLab, leave } from "../common/page.js";

const EVERY = 400;
const PATIENCE = 60000;

/** Ask what Airflow made of the file of a schedule until it has read it; `waiting(seconds)` is called meanwhile. */
export async function untilRead(name, commit, waiting = () => {}) {
  const started = performance.now();
  const address = page(`/notebook-schedules/${encodeURIComponent(name)}/live?${new URLSearchParams({ commit })}`);
  for (;;) {
    let found = { state: "waiting", error: "" };
    try {
      found = await get(address);
    } catch {
      // asked again, as long as there is patience
    }
    const spent = performance.now() - started;
    if (found.state !== "waiting" || spent > PATIENCE) return found;
    waiting(Math.round(spent / 1000));
    await new Promise((done) => setTimeout(done, EVERY));
  }
}

/** Put what was saved in the place of the form, and go to the DAG's page in Airflow as soon as there is one. */
export async function showSaved({ form, told }, { name, commit }, { airflow, editing }) {
  const status = el("p", { role: "status", class: "muted" }, "Airflow reads the DAG…");
  const href = `${airflow}dags/${encodeURIComponent(name)}`;
  const buttons = el("div", { class: "bar" }, el("a", { class: "btn", href: page("/notebook-schedules/") }, "All schedules"));
  const title = el("h2", { tabindex: "-1", class: "break" }, editing ? `${name} is saved` : `${name} is scheduled`);
  told.replaceChildren();
  form.replaceWith(el("section", { class: "card", id: "saved" }, title, status, buttons));
  title.focus();
  const found = await untilRead(name, commit, (seconds) => seconds > 2 && (status.textContent = `Airflow reads the DAG (${seconds} s)…`));
  if (found.state === "parsed") {
    buttons.prepend(el("a", { class: "btn btn-primary", "data-airflow": true, href }, "Open the DAG in Airflow"));
    status.textContent = inLab ? "Airflow has it." : "Airflow has it. Its page opens…";
    if (!inLab) leave(href);
  } else if (found.state === "error") {
    status.textContent = "Airflow cannot import the DAG file:";
    status.after(el("pre", { class: "code code-wrap", tabindex: "0", "aria-label": "Error of the DAG file" }, found.error));
  } else {
    status.textContent = "It is saved, but Airflow has not read it yet. Its DAG processor may be busy or not be running.";
  }
}
