/* The history of a brick: the difference is drawn when it is opened. */

import { TextDifference } from "../review/text-difference.js";

for (const details of document.querySelectorAll("details[data-new]")) {
  const box = details.querySelector(".brick-merge");
  details.addEventListener("toggle", () => {
    if (details.open && !box.hasChildNodes()) new TextDifference(box, { path: "brick.yaml", old: details.dataset.old, text: details.dataset.new });
  });
}
