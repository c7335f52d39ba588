/* Notebook Schedules: the list with its actions. */

import { keepFresh } from "../common/fresh.js";
import { pauseSchedule, removeSchedule, runSchedule, updateCopy } from "./actions.js";

let busy = false;
const renew = keepFresh("schedules", { busy: () => busy });

const ACTIONS = {
  pause: (row, button) => pauseSchedule(row.dataset.name, button.getAttribute("aria-checked") === "true"),
  run: (row) => runSchedule(row.dataset.name, { dag: row.querySelector("[data-airflow]").href }),
  update: (row) => updateCopy(row.dataset.name),
  delete: (row) => removeSchedule(row.dataset.name),
};

/* The list stays as it is while something is done, and is renewed when something was. */
document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("#schedules [data-act]");
  if (!button || button.disabled || busy) return;
  busy = true;
  try {
    if (await ACTIONS[button.dataset.act](button.closest("tr"), button)) await renew().catch(() => {});
  } finally {
    busy = false;
  }
});
