/* The list of versions: two can be compared, the runs of each come after the page. */

import { get, page } from "../common/api.js";
import { restoreButtons } from "./restore.js";
import { showRuns } from "./version-runs.js";

const list = document.getElementById("versions");
restoreButtons(list?.dataset.airflow ?? "");

const form = document.getElementById("compare");
const boxes = [...document.querySelectorAll(".version-choice")];
const query = (path) => (path ? `path=${encodeURIComponent(path)}` : "");

function choose(changed) {
  const chosen = boxes.filter((box) => box.checked);
  if (chosen.length > 2) chosen.find((box) => box !== changed).checked = false;
  form.querySelector("button").disabled = boxes.filter((box) => box.checked).length !== 2;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const [newer, older] = boxes.filter((box) => box.checked).map((box) => box.value);
  location.assign(page(`/dag-history/${newer}?against=${older}&${query(list.dataset.path)}`));
});
for (const box of boxes) box.addEventListener("change", () => choose(box));
if (form) choose();

async function runs() {
  const entries = [...list.querySelectorAll("[data-commit]")];
  const commits = entries.map(({ dataset }) => `commit=${dataset.commit}`).join("&");
  try {
    const answer = await get(page(`/dag-history/runs?${commits}&newer=${list.dataset.newer}&${query(list.dataset.path)}`));
    for (const entry of entries) {
      const found = answer.runs[entry.dataset.commit] ?? [];
      const box = entry.querySelector(".version-runs");
      box.hidden = !found.length;
      if (found.length) showRuns(box, found, list.dataset.airflow);
    }
  } catch {
    // the versions are what the page is for; the runs stay away
  }
}

if (list) runs();
