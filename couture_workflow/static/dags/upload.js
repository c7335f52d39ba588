/* Uploads to Manage DAGs: files, folders and zip archives, checked as a whole and saved as one commit. */

import { ApiError, page, upload } from "../common/api.js";
import { change } from "./change.js";
import { combobox, matching } from "../common/combobox.js";
import { notice } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";
import { listenForFiles, walk, whenChosen } from "../common/drop.js";
import { tooLarge } from "../common/sizes.js";

/** `limits`: { bytes, files }; `folders()`: the folders that there are; `folder`: where files go unless another one is chosen; `done(saved)`: something was saved. */
export function uploads({ limits, folders, folder, done }) {
  for (const input of document.querySelectorAll("[data-choose]")) {
    whenChosen(input, (files) => offer(files.map((file) => ({ path: file.webkitRelativePath || file.name, file }))));
  }
  listenForFiles(async (files, entries) => {
    const whole = entries.length ? walk(entries, limits.files) : files.map((file) => ({ path: file.name, file }));
    await whole.then?.(offer, () => notice("The folder could not be read. Try again, or pack it into a .zip file.", "error")) ?? offer(whole);
  });

  /** Say what speaks against sending the files at all, else ask where they go and show the plan. */
  async function offer(files) {
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    if (!files.length) return;
    if (files.length > limits.files) return void notice(`These are more than ${limits.files.toLocaleString("en")} files. Upload a part of them at a time.`, "error");
    const refused = tooLarge("These files have", size, limits.bytes);
    if (refused) return void notice(`${refused} Upload a part of them at a time.`, "error");
    const title = files.length === 1 ? `Upload ${files[0].path}` : `Upload ${files.length.toLocaleString("en")} files`;
    const saved = await change({
      title, action: "Save", skips: true,
      fields: (set) => [folderField(set, folders(), folder)],
      check: (settings) => send("check", files, settings),
      save: (settings, decision) => send("save", files, { ...settings, ...decision }),
    });
    if (saved) done(saved);
  }
}

async function send(verb, files, plan) {
  const form = new FormData();
  form.append("plan", JSON.stringify({ ...plan, paths: files.map(({ path }) => path) }));
  for (const { file } of files) form.append("files", file, "file"); // the path is in the plan: no browser changes it there
  try {
    return await upload(page(`/manage-dags/upload/${verb}`), form, () => {}, { method: "POST" });
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) {
      throw new ApiError(0, { error: "unreachable", detail: "The server cannot be reached, or one of the files changed on your disk since you chose it. Choose the files again." });
    }
    throw error;
  }
}

/** The field for the folder that files go to; `set({ folder })` is called when another one was chosen. */
export function folderField(set, folders, value = "") {
  const input = el("input", { id: freshId("folder"), class: "mono", placeholder: "The top folder" });
  input.value = value;
  let last = value;
  const chosen = (options) => {
    const folder = input.value.trim().replace(/^\/+|\/+$/g, "");
    if (folder !== last) set({ folder }, options);
    last = folder;
  };
  set({ folder: value }, { quiet: true });
  input.addEventListener("change", () => chosen());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.defaultPrevented) return;
    event.preventDefault(); // looks at the other folder first, instead of saving
    chosen();
  });
  const field = el(
    "div", { class: "field combo" },
    el("label", { for: input.id }, "Folder"), el("div", {}, input),
    el("p", { class: "help" }, "Empty: the top folder. A folder that does not exist is made."),
  );
  combobox(input, { suggest: (text) => matching(folders.map((path) => ({ value: path })), text), pick: () => chosen() });
  return field;
}
