/* Spark Jobs and Notebooks: durations that count, a list that is renewed while something runs or is waited for. */

import { showChosen } from "./choose-two.js";
import { counting } from "./seconds.js";
import { localTimes } from "../common/page.js";

const EVERY = 5000;
const SLOWEST = 60000;

const list = () => document.getElementById("runs");
const inUse = () => list().contains(document.activeElement) || document.getSelection()?.toString();

let wait = EVERY;

/** Put the newest list in place of the old one, unless somebody is at work in it. */
async function renew() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(answer.statusText);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("runs");
  if (!fresh || inUse()) return;
  list().replaceWith(fresh);
  localTimes(fresh);
  showChosen();
}

async function follow() {
  if (!document.hidden && !inUse()) {
    try {
      await renew();
      wait = EVERY;
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
    }
  }
  setTimeout(follow, wait);
}

counting(list);
setTimeout(follow, wait);
