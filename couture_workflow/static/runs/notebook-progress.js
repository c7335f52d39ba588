/* How far a notebook's run is: the running cell, its source and the last lines of its output. */

/** Seconds; a run that lives gives a sign each minute. */
const SILENT = 240;

const by = (id) => document.getElementById(`progress${id}`);

/** Put a text in its place; nothing is touched that has not changed, so that what is selected stays so. */
function put(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/** Show what the REST API said of the progress. */
export function showProgress(now) {
  if (!by("") || !now) return;
  const number = now.number || 0;
  put(by("-said"), number ? `Cell ${number} of ${now.of}` : "The kernel starts.");
  by("-bar").max = now.of || 1;
  by("-bar").value = Math.max(number - 1, 0);
  if (now.cell_started_at) by("-since").dataset.since = now.cell_started_at;
  const silent = (Date.now() - Date.parse(now.updated_at)) / 1000;
  put(by("-sign"), silent > SILENT ? "No sign of life for minutes: it may have been killed." : "");
  by("-cell").hidden = !now.source;
  put(by("-source"), now.source);
  by("-printed").hidden = !now.lines.length;
  put(by("-lines"), now.lines.join("\n"));
}
