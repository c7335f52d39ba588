/* The history of the krb5.conf: both texts are fetched when a version is opened. */

import { api, get } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { showDifference } from "../review/text-difference.js";

async function textOf(commit) {
  if (!commit) return "";
  return (await get(api(`/kerberos/krb5.conf?${new URLSearchParams({ commit })}`))).text;
}

for (const details of document.querySelectorAll("details[data-new]")) {
  whenOpened(details, async (box) => {
    const [old, text] = await Promise.all([textOf(details.dataset.old), textOf(details.dataset.new)]);
    box.replaceChildren();
    showDifference(box, { path: "krb5.conf", old, text });
  });
}
