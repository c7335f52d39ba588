/* A list that is renewed while somebody looks at it. */

import { localTimes } from "./page.js";

const EVERY = 5000;
const SLOWEST = 60000;

/**
 * Put the newest list in place of the old one every few seconds: what has this id in the page that the address gives.
 * It waits while somebody is at work in it, or `busy()`. It calls `renewed()` afterwards. Gives a function that renews it at once.
 */
export function keepFresh(id, { busy = () => false, renewed = () => {} } = {}) {
  const list = () => document.getElementById(id);
  const inUse = () => busy() || list().contains(document.activeElement) || document.getSelection()?.toString();
  let wait = EVERY;

  async function renew({ force = false } = {}) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
    if (!fresh || (!force && inUse())) return;
    const focused = list().contains(document.activeElement) ? document.activeElement.id : "";
    list().replaceWith(fresh);
    localTimes(fresh);
    renewed();
    if (focused) document.getElementById(focused)?.focus();
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

  setTimeout(follow, wait);
  return () => renew({ force: true });
}
