/* What is done to DAG files from Manage DAGs beside uploads: new, rename, delete, copies of the examples. */

import { ApiError, get, page, post } from "../common/api.js";
import { combobox, matching } from "../common/combobox.js";
import { change } from "./change.js";
import { editorAt } from "./rows.js";
import { folderField } from "./upload.js";
import { attempt, notice } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";

const call = (action, verb, body) => post(page(`/manage-dags/${action}/${verb}`), body);

/** A dialog with one path in it that the server looks at; resolves to what the server answers, null if cancelled. */
function askForPath({ title, label, value, help, action, suggest, submit }) {
  const input = el("input", { id: freshId("path"), class: "mono", "aria-describedby": freshId("path-error"), autocomplete: "off", spellcheck: "false" });
  const error = el("p", { class: "field-error", id: input.getAttribute("aria-describedby"), role: "alert" });
  const ok = el("button", { class: "btn btn-primary" }, action);
  input.value = value;
  const dialog = el("dialog", { class: "dialog", "aria-label": title });
  return new Promise((resolve) => {
    let answer = null;
    const form = el(
      "form",
      {
        class: "stack", novalidate: true,
        onsubmit: async (event) => {
          event.preventDefault();
          ok.disabled = true;
          error.textContent = "";
          try {
            answer = await submit(input.value.trim());
            dialog.close();
          } catch (problem) {
            if (!(problem instanceof ApiError)) throw problem;
            error.textContent = problem.message;
            input.setAttribute("aria-invalid", "true");
            input.focus();
          } finally {
            ok.disabled = false;
          }
        },
      },
      el("div", { class: "field combo" }, el("label", { for: input.id }, label), el("div", {}, input), error, el("p", { class: "help" }, help)),
      el("div", { class: "dialog-actions" }, el("button", { type: "button", class: "btn", onclick: () => dialog.close() }, "Cancel"), ok),
    );
    if (suggest.length) combobox(input, { suggest: (text) => matching(suggest.map((path) => ({ value: `${path}/` })), text) });
    dialog.append(el("h2", {}, title), form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** Ask for a path, then open the editor: the file exists once it is saved there. */
export async function newFile({ folders, folder }) {
  const found = await askForPath({
    title: "New file", label: "Path", value: folder && `${folder}/`, action: "Open the editor", suggest: folders,
    help: `Such as ${folder || "reports"}/daily.py. Folders come with the path. The file exists once it is saved.`,
    submit: (path) => post(page("/manage-dags/name"), { path }),
  });
  if (found) window.location.assign(editorAt(found.path));
}

/** Rename or move a file or folder. */
export async function renameFile(old, { done }) {
  const found = await askForPath({
    title: `Rename ${old}`, label: "New path", value: old, action: "Continue", suggest: [],
    help: "Another folder in the path moves it there.",
    submit: (path) => post(page("/manage-dags/name"), { path, old }),
  });
  if (!found || found.path === old) return;
  const body = { old, new: found.path };
  const saved = await change({
    title: `Rename ${old}`, intro: `To ${found.path}.`, action: "Rename",
    check: () => call("rename", "check", body),
    save: (_settings, decision) => call("rename", "save", { ...body, ...decision }),
  });
  if (saved) done(saved);
}

/** Delete files after a look at who uses them. */
export async function removeFiles(paths, { done }) {
  const title = paths.length === 1 ? `Delete ${paths[0]}?` : `Delete ${paths.length.toLocaleString("en")} files?`;
  const saved = await change({
    title, intro: "Earlier versions stay in the history, from where they can be restored.", action: "Delete", danger: true,
    check: () => call("delete", "check", { paths }),
    save: (_settings, decision) => call("delete", "save", { paths, ...decision }),
  });
  if (saved) done(saved);
}

/** Copy shipped examples into the repository; the one named `chosen` is ticked already. */
export async function copyExamples({ folders, folder, user, done, chosen = "" }) {
  const found = await attempt(() => get(page("/manage-dags/examples")));
  if (!found) return;
  const { examples } = found;
  if (!examples.length) return void notice("This installation has no examples.", "info");
  if (chosen && !examples.some(({ name }) => name === chosen)) return void notice(`There is no example ${chosen}.`, "error");
  const saved = await change({
    title: "Copy an example", action: "Save",
    intro: `A copy is yours to change. The id of its DAG gets the ending ${user ? `_${user}` : "_copy"}, because an id can be there only once.`,
    fields: (set) => [choice(examples, set, chosen), folderField(set, folders, folder ? `${folder}/examples` : "examples")],
    check: (settings) => call("examples", "check", settings),
    save: (settings, decision) => call("examples", "save", { ...settings, ...decision }),
  });
  if (saved) done(saved);
}

/** A box to tick for each example. */
function choice(examples, set, first) {
  const boxes = examples.map(({ name }) =>
    el("input", { type: "checkbox", id: freshId("example"), value: name, onchange: () => set({ names: chosen() }) }),
  );
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  for (const box of boxes) box.checked = box.value === first;
  set({ names: chosen() }, { quiet: true });
  const line = (box, index) => el("div", {}, el("label", { for: box.id }, box, ` ${box.value}`), el("p", { class: "help" }, examples[index].summary));
  return el("fieldset", { class: "stack" }, el("legend", {}, "Examples"), ...boxes.map(line));
}
