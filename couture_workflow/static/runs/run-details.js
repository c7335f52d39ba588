/* Run details: copy the command, count the seconds of a running try, show what is new without a reload. */

import { api, get } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { localTimes } from "../common/page.js";
import { showProgress } from "./notebook-progress.js";
import { counting } from "./seconds.js";

const EVERY = 3000;
const PROGRESS_EVERY = 2000;
const SLOWEST = 30000;

copyButtons(document);

const run = () => document.getElementById("run");

/** Put the page's new content in place of the old one; what has the focus keeps it. */
async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("run");
  if (!answer.ok || !fresh) return;
  const focused = [...run().querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement);
  run().replaceWith(fresh);
  localTimes(fresh);
  count();
  if (focused >= 0) fresh.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus();
}

const count = run()?.dataset.follow === undefined ? () => {} : counting(run);

let known = "";
let wait = 0;

/** Look at a run once: a notebook's progress is put into the page, anything else that is new renews it. */
async function look() {
  const [path, query] = run().dataset.path.split("?");
  const isNotebook = run().dataset.follow === "notebook";
  const said = await get(api(isNotebook ? `${path}/progress?${query}` : run().dataset.path));
  if (isNotebook) {
    showProgress(said.progress);
    delete said.progress;
  }
  const answer = JSON.stringify(said);
  const ended = said.lost || (said.run ?? said).state !== run().dataset.state; // since the page was made
  if (known ? answer !== known : ended) await renew();
  known = answer;
  return isNotebook ? PROGRESS_EVERY : EVERY;
}

async function follow() {
  if (run()?.dataset.follow === undefined) return;
  if (!document.hidden) {
    try {
      wait = await look();
    } catch {
      wait = Math.min(Math.max(wait, EVERY) * 2, SLOWEST);
    }
  }
  setTimeout(follow, wait);
}

follow();
