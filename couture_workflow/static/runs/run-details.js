/* Run details: copy the command, count the seconds of a running try, show what is new without a reload. */

import { api, get } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { localTimes } from "../common/page.js";
import { counting } from "./seconds.js";

const EVERY = 3000;
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
let wait = EVERY;

async function follow() {
  if (run()?.dataset.follow === undefined) return;
  if (!document.hidden) {
    try {
      const answer = JSON.stringify(await get(api(run().dataset.path)));
      if (known && answer !== known) await renew();
      known = answer;
      wait = EVERY;
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
    }
  }
  setTimeout(follow, wait);
}

follow();
