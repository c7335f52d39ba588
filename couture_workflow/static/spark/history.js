/* The history of the Spark configuration: what a version changed is fetched when it is opened. */

import { get } from "../common/api.js";
import { changesTable } from "./changes.js";

for (const details of document.querySelectorAll("details[data-url]")) {
  const box = details.querySelector("[role=status]");
  let loaded = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || loaded) return;
    loaded = true;
    try {
      const { changes } = await get(details.dataset.url);
      box.replaceChildren(changesTable(changes, { label: "Changes of this version" }));
    } catch (error) {
      loaded = false;
      box.textContent = `${error.message} Close and open this to try again.`;
    }
  });
}
