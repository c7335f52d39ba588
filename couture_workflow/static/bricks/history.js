/* The history of a brick: the difference is drawn when it is opened. */

import { whenOpened } from "../common/details.js";
import { showDifference } from "../review/text-difference.js";

for (const details of document.querySelectorAll("details[data-new]")) {
  const { old, new: text } = details.dataset;
  whenOpened(details, (box) => showDifference(box, { path: "brick.yaml", old, text }));
}
