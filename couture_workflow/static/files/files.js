/* The list of uploaded files and one file's page: search while typing, delete, restore, copy, uploads. */

import { api, post } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { localTimes } from "../common/page.js";
import { removed } from "./removal.js";
import { Uploads } from "./uploads.js";

const files = document.getElementById("files");
const address = (name, rest = "") => api(`/${files.dataset.noun}/files/${encodeURIComponent(name)}${rest}`);

let shown = 0;

/** Read the list again for an address of this page, keeping the keyboard where it is. */
async function refresh(url = window.location.href) {
  const turn = (shown += 1);
  const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) {
    notice("The list could not be read again. Reload the page.", "error");
    return;
  }
  const text = await response.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("files");
  if (!fresh || turn !== shown) return;
  const active = document.activeElement;
  const search = active?.id === "search" ? active : null;
  files.replaceChildren(...fresh.childNodes);
  if (search) {
    const field = document.getElementById("search");
    field?.replaceWith(search);
    search.focus();
  } else if (active && !active.isConnected) {
    files.tabIndex = -1; // the button that was pressed is gone: stay here, not at the top of the page
    files.focus({ preventScroll: true });
  }
  localTimes(files);
}

async function act(work, done) {
  const answer = await attempt(work);
  if (answer) notice(done);
  return answer !== null;
}

const WORDS = { suffering: "Jobs that need it will fail. Used by:", place: "the tab Deleted" };

async function remove(name, users) {
  if (!(await removed(name, users, address, WORDS))) return;
  if (document.querySelector(`[data-restore], #contents`)) window.location.assign(files.dataset.home);
  else {
    notice(`${name} was deleted.`);
    await refresh();
  }
}

async function restore(name, version) {
  const question = {
    title: `Restore version ${version} of ${name}?`,
    text: "Its content becomes a new version, which new jobs get. No version is lost.",
    action: "Restore",
  };
  if (!(await confirm(question))) return;
  const work = () => post(address(name, "/restore"), { version });
  if (await act(work, `Version ${version} is current again.`)) await refresh(window.location.pathname);
}

copyButtons(files);

files.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { delete: doomed, undelete, restore: earlier } = button.dataset;
  if (doomed !== undefined) await remove(doomed, JSON.parse(button.dataset.users));
  else if (earlier !== undefined) await restore(earlier, Number(button.dataset.version));
  else if (undelete !== undefined) {
    if (await act(() => post(address(undelete, "/undelete")), `${undelete} is back.`)) await refresh();
  }
});

let typing;
files.addEventListener("input", (event) => {
  if (event.target.id !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => {
    const form = event.target.form;
    const url = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
    window.history.replaceState(null, "", url);
    refresh(url);
  }, 200);
});

/* The button of one file's page stands outside the part that is replaced. */
for (const button of document.querySelectorAll(".heading [data-delete]")) {
  button.addEventListener("click", () => remove(button.dataset.delete, JSON.parse(button.dataset.users)));
}

if (document.getElementById("uploads")) new Uploads({ address, settings: files.dataset, changed: refresh });
