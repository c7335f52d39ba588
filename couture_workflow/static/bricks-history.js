/* The history of a brick: the difference is drawn when it is opened. */

import { mergeBox } from "./code_box.js";

for (const details of document.querySelectorAll("details[data-new]")) {
  const box = details.querySelector(".brick-merge");
  details.addEventListener("toggle", () => {
    if (details.open && !box.hasChildNodes()) mergeBox(box, { old: details.dataset.old, text: details.dataset.new });
  });
}
