/* Files that are chosen, or dragged onto the page from outside; folders are walked through where a page wants them. */

/** Call `take(files)` with what is chosen in an input, also with what was chosen before this was loaded. */
export function whenChosen(input, take) {
  const chosen = () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  };
  input.addEventListener("change", chosen);
  queueMicrotask(chosen); // when the rest of the script is there
}

/** Call `add(files, folders)` with what is dropped anywhere; `folders` holds the names of those that are folders. */
export function listenForFiles(add) {
  let depth = 0;
  const over = (change) => {
    depth = change === null ? 0 : depth + change;
    document.body.classList.toggle("dragging", depth > 0);
  };
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !document.querySelector("dialog[open]");
  window.addEventListener("dragenter", (event) => carriesFiles(event) && over(1));
  window.addEventListener("dragleave", (event) => carriesFiles(event) && over(-1));
  window.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (!carriesFiles(event)) return;
    over(null);
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    add([...event.dataTransfer.files], entries);
  });
}

/** Every file below dropped entries, as { path, file } with its path from the drop. */
export async function walk(entries, most) {
  const found = [];
  const waiting = [...entries];
  while (waiting.length && found.length <= most) {
    const entry = waiting.shift();
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    } else waiting.push(...(await children(entry)));
  }
  return found;
}

async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!part.length) return all;
    all.push(...part);
  }
}
