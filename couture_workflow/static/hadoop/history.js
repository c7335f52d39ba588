/* The history of a Hadoop group: differences are fetched and drawn when a version is opened. */

import { get } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { el } from "../common/dom.js";
import { showDifference } from "../review/text-difference.js";

const editable = document.getElementById("versions")?.dataset.editable === "yes";

function heading({ file, new: text }, address) {
  const restore = editable && text ? el("a", { class: "btn btn-small", href: `${address}&${new URLSearchParams({ file })}` }, `Restore ${file}…`) : null;
  return el("div", { class: "bar" }, el("h3", { class: "hadoop-file-name mono break grow" }, text ? file : `${file} (deleted)`), restore);
}

for (const details of document.querySelectorAll("details[data-url]")) {
  whenOpened(details, async (box) => {
    const { changes } = await get(details.dataset.url);
    box.replaceChildren();
    if (!changes.length) box.textContent = "Nothing that can be shown has changed.";
    for (const change of changes) {
      const place = el("div");
      box.append(heading(change, details.dataset.restore), place);
      showDifference(place, { path: change.file, old: change.old, text: change.new });
    }
  });
}
