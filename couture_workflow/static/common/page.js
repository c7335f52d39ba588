/* On every page: log-in link, flashed messages, times in the reader's zone, forms that ask first. */

import { confirm, notice } from "./dialog.js";

const framing = (around) => {
  try {
    return around === window ? null : around.document;
  } catch {
    return null;
  }
};

/* The page around this one, and the outermost one: Airflow's, whether or not JupyterLab is between them. */
const host = framing(window.parent);
const outer = framing(window.top) ?? host;

/* A tab of JupyterLab: what is typed in the other tabs of Lab must stay, so links lead out of it into a new tab. */
export const inLab = host?.body?.dataset.jpThemeLight !== undefined;

/* The sandbox forbids the frame to navigate the page around it; a link that belongs to that page may. */
export function leave(href, { tab = false } = {}) {
  const owner = outer ?? document;
  const link = owner.createElement("a");
  link.href = href;
  if (tab) link.target = "_blank";
  owner.body.append(link);
  link.click();
  link.remove();
}

document.getElementById("login")?.addEventListener("click", (event) => {
  event.preventDefault();
  const owner = outer ?? document;
  leave(`${event.currentTarget.href}?next=${encodeURIComponent(owner.location.href)}`);
});

/* <a data-airflow href="dags/x">: a link to one of Airflow's own pages, which opens around the frame, or in a tab. */
document.addEventListener("click", (event) => {
  const link = host && event.target.closest?.("a[data-airflow]");
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  leave(link.href, { tab: inLab || event.ctrlKey || event.metaKey || link.target === "_blank" });
});

for (const { name, value } of document.getElementById("notices").attributes) {
  const kind = /^data-(ok|error|info)-\d+$/.exec(name);
  if (kind) notice(value, kind[1]);
}

/* Airflow keeps the zone that the reader chose in localStorage. */
const chosenZone = (() => {
  try {
    return JSON.parse(localStorage.getItem("timezone") ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
})();

/** A format of moments on the reader's clock; what is chosen may be no zone that this browser knows. */
export function clock(options) {
  try {
    return new Intl.DateTimeFormat("sv-SE", { hourCycle: "h23", ...options, timeZone: chosenZone });
  } catch {
    return new Intl.DateTimeFormat("sv-SE", { hourCycle: "h23", ...options });
  }
}

const shown = clock({ dateStyle: "short", timeStyle: "medium" });

/** The reader's zone, such as Europe/Berlin. */
const zoneName = shown.resolvedOptions().timeZone;

/** Write every <time datetime> below a node in the reader's zone, whose name its title has and each `data-zone`. */
export function localTimes(node = document) {
  for (const place of node.querySelectorAll("[data-zone]")) place.textContent = zoneName;
  for (const time of node.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.textContent = shown.format(moment);
    time.title = `${time.textContent} ${zoneName}, which is ${moment.toISOString()}`;
  }
}

localTimes();

/* <form data-confirm="Delete x?" data-confirm-action="Delete" data-confirm-danger> */
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.confirm) return;
  event.preventDefault();
  const { confirm: title, confirmText: text, confirmAction: action } = form.dataset;
  const danger = form.dataset.confirmDanger !== undefined;
  if (await confirm({ title, text, action, danger })) form.submit();
});
