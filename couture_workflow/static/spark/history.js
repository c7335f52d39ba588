/* The history of the Spark configuration: what a version changed is fetched when it is opened. */

import { get } from "../common/api.js";
import { whenOpened } from "../common/details.js";
import { changesTable } from "./changes.js";

for (const details of document.querySelectorAll("details[data-url]")) {
  whenOpened(details, async (box) => {
    const { changes } = await get(details.dataset.url);
    box.replaceChildren(changesTable(changes, { label: "Changes of this version" }));
  });
}
