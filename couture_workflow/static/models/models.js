/* The list of trained models: uploads, and how far the newest versions are. */

import { post } from "../common/api.js";
import { attempt, notice } from "../common/dialog.js";
import { localTimes } from "../common/page.js";
import { Uploads } from "../files/uploads.js";
import { asked, modelName, modelPath } from "./uploading.js";

/* Milliseconds between two looks: while a version is on its way, and after one that failed, at most. */
const BUSY = 1500;
const SLOWEST = 60000;

const files = document.getElementById("files");
const { kind } = files.dataset;
let timer = 0;
let wait = BUSY;
let looks = 0;
let stale = null;

const list = () => document.getElementById("models");

/** Take the list of now in the place of the one that is shown; who types or has a button under the finger keeps it. */
async function refresh() {
  clearTimeout(timer);
  const mine = (looks += 1);
  const response = await fetch(window.location.href, { credentials: "same-origin", headers: { Accept: "text/html" } }).catch(() => null);
  const text = response?.ok ? await response.text() : "";
  if (mine !== looks) return;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("models");
  wait = fresh ? BUSY : Math.min(wait * 2, SLOWEST);
  if (fresh) {
    stale?.remove();
    stale = null;
    show(fresh);
  } else if (!stale?.isConnected) stale = notice(why(response), "error");
  soon();
}

/* Why the list is as it was: what goes on may have gone on. */
const why = (response) =>
  response?.status === 401
    ? "Your log-in has ended, so the list is not renewed. Log in again and reload the page."
    : "The server cannot be reached, so the list is not renewed. It is tried again.";

function show(fresh) {
  localTimes(fresh);
  list().dataset.moving = fresh.dataset.moving;
  const now = list().querySelector("tbody");
  const then = fresh.querySelector("tbody");
  if (!now || !then) {
    if (Boolean(now) !== Boolean(then)) list().replaceChildren(...fresh.childNodes);
    return;
  }
  if (now.innerHTML === then.innerHTML) return;
  const focused = now.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  now.replaceWith(then);
  if (focused) [...then.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  for (const [place, badge] of [...fresh.querySelectorAll(".tabs .badge")].entries()) {
    list().querySelectorAll(".tabs .badge")[place].textContent = badge.textContent;
  }
}

function soon() {
  clearTimeout(timer);
  if (list().dataset.moving) timer = setTimeout(() => (document.hidden ? soon() : refresh()), wait);
}

document.getElementById("deleted")?.addEventListener("click", async (event) => {
  const name = event.target.closest("button")?.dataset.undelete;
  if (name !== undefined && (await attempt(() => post(modelPath(kind, name, "/undelete"))))) window.location.reload();
});

if (document.getElementById("uploads")) {
  new Uploads({ address: (file) => modelPath(kind, modelName(file), asked()), settings: files.dataset, changed: refresh });
}

soon();
