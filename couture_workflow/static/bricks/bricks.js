/* The list of code bricks: search while typing, delete, take the shipped version again. */

import { page, post } from "../common/api.js";
import { attempt, confirm } from "../common/dialog.js";

const root = document.getElementById("bricks");
const search = document.getElementById("search");
const tag = document.getElementById("tag");
const count = document.getElementById("brick-count");
const cards = [...root.querySelectorAll(".brick")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const fits =
      words.every((word) => card.dataset.words.includes(word)) &&
      (!tag.value || JSON.parse(card.dataset.tags).includes(tag.value));
    card.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  count.textContent = shown ? `${shown} of ${cards.length} bricks` : "No brick fits. Search for less, or choose all tags.";
}

search.addEventListener("input", filter);
tag.addEventListener("change", filter);
document.getElementById("brick-search").addEventListener("submit", (event) => event.preventDefault());
filter();

async function act(name, verb) {
  const call = () => post(page(`/code-bricks/${encodeURIComponent(name)}/${verb}`), { base: root.dataset.base });
  if (await attempt(call)) window.location.reload();
}

root.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { delete: doomed, reset, title, shipped } = button.dataset;
  if (doomed !== undefined) {
    const text = shipped
      ? "It is no longer offered in the editor. It came with Couture Workflow and can be brought back below the list."
      : "It is no longer offered in the editor. DAGs that it was inserted in keep their code.";
    if (await confirm({ title: `Delete ${title}?`, text, action: "Delete", danger: true })) await act(doomed, "delete");
  } else if (reset !== undefined) {
    const text = "The version made here stays in the history.";
    if (await confirm({ title: `Take the shipped version of ${title}?`, text, action: "Take it" })) await act(reset, "reset");
  }
});
