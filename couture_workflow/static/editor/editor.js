/* The page Edit DAG: the text, its problems, and the buttons above it. */

import { EditorState, EditorView, Prec, keymap, openSearchPanel, gotoLine, openLintPanel, closeLintPanel, placeholder }
  from "../vendor/codemirror.js";
import { page } from "../common/api.js";
import { notice } from "../common/dialog.js";
import { clock, tell } from "./banners.js";
import { completion } from "./completion.js";
import { runCheck, layOut, offerUpgrade, setBrickDialog } from "./commands.js";
import { hover } from "./help.js";
import { loadIndex, loadNames } from "./index.js";
import { keepPlace, restorePlace } from "./place.js";
import { preferences, wrapping } from "./preferences.js";
import { counts, problems } from "./problems.js";
import { basics, follow, goTo, isPython, languageName, readOnly } from "./setup.js";
import { Texts } from "./texts.js";

const byId = (id) => document.getElementById(id);
const given = JSON.parse(byId("editor").dataset.state);
const { path } = given;
const texts = new Texts(given, { showState, review });
const { keeper } = texts;

const checker = problems(path, showProblems);
const view = follow(new EditorView({
  parent: byId("code"),
  state: EditorState.create({
    doc: texts.first.content,
    extensions: [
      basics(path, texts.first.content), wrapping(), completion(), hover(), checker.extension,
      given.canType ? placeholder(byId("brick")?.dataset.script ? "Start to type, Ctrl-Space completes. Or insert a brick, such as a whole DAG." : "Start to type. Ctrl-Space completes.") : readOnly(),
      Prec.highest(keymap.of(keys())),
      EditorView.updateListener.of(updated),
    ],
  }),
}));
texts.view = view;

function keys() {
  const run = (work) => () => (work(), true);
  const mine = [{ key: "F1", run: run(() => byId("keys").showModal()) }];
  if (!given.canType) return mine;
  return [
    ...mine,
    { key: "Mod-s", run: run(review), preventDefault: true },
    { key: "Shift-Alt-f", run: run(() => layOut(view, path, "format")) },
    { key: "Shift-Alt-o", run: run(() => layOut(view, path, "imports")) },
  ];
}

function updated(update) {
  if (update.docChanged && !texts.replacing) keeper?.touch();
  if (update.selectionSet || update.docChanged) showPlace();
  if (update.focusChanged && !update.view.hasFocus) keeper?.keep();
}

function showPlace() {
  const { head } = view.state.selection.main;
  const line = view.state.doc.lineAt(head);
  byId("place").textContent = `Line ${line.number}, column ${head - line.from + 1}`;
}

/* State of the draft. */
const STATES = {
  saved: () => ["", texts.exists ? "saved" : "new file"],
  typing: () => ["badge-warn", "typing"],
  keeping: () => ["badge-warn", "keeping the draft"],
  kept: (when) => ["badge-ok", `draft kept ${when ? clock(when) : ""}`],
  offline: () => ["badge-error", "offline: kept in this browser"],
  expired: () => ["badge-error", "logged out: kept in this browser"],
  refused: () => ["badge-error", "the draft is not kept"],
  clash: () => ["badge-error", "changed in another window"],
};

function showState(kind, detail) {
  const [mark, words] = STATES[kind](detail);
  const badge = byId("state");
  badge.className = `badge ${mark}`;
  if (badge.textContent !== words) badge.textContent = words;
  byId("expired").hidden = kind !== "expired";
  tell("refused", kind === "refused" ? { kind: "error", text: detail, urgent: true } : null);
  document.querySelector('[data-do="discard"]').disabled = kind === "saved";
  if (kind === "saved") tell("draft", null);
}

function showProblems() {
  const { error, warning, info } = counts(view.state);
  const button = byId("problems");
  const total = error + warning + info;
  const words = total === 1 ? "1 problem" : `${total || "No"} problems`;
  button.textContent = total === 0 && checker.isUnknown(view) ? "Not checked" : words;
  button.dataset.level = error ? "error" : warning ? "warning" : info ? "info" : "none";
}

/* Buttons. */
async function review() {
  if (!keeper) return;
  if (!(await keeper.keep())) {
    notice("The draft could not be kept, so it cannot be reviewed yet.", "error");
  } else if (keeper.revision === null) {
    notice("There is nothing to save: the text is that of the newest version.", "info");
  } else {
    location.href = `${page("/dag-review/")}?${new URLSearchParams({ path })}`;
  }
}

const actions = {
  find: () => openSearchPanel(view),
  line: () => gotoLine(view),
  format: () => layOut(view, path, "format"),
  imports: () => layOut(view, path, "imports"),
  discard: () => texts.discard(),
  keys: () => byId("keys").showModal(),
  ...preferences(view),
};

const menu = byId("menu");
menu.addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (!name) return;
  if (!["larger", "smaller", "wrap"].includes(name)) menu.open = false;
  actions[name]();
});
addEventListener("pointerdown", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

byId("problems").addEventListener("click", () => {
  if (view.dom.querySelector(".cm-panel-lint")) closeLintPanel(view);
  else openLintPanel(view);
});
byId("review")?.addEventListener("click", review);
byId("check")?.addEventListener("click", () => runCheck(view, path, checker, texts.text()));
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
    event.preventDefault();
    review();
  }
});

/* Start. */
byId("language").textContent = `${languageName(path)}${texts.windows ? ", Windows line ends" : ""}`;
showPlace();
texts.start();
if (given.canType) {
  if (given.old) offerUpgrade(view, path);
  if (isPython(path)) {
    setBrickDialog(view);
    loadIndex(); // made by the server once for each set of packages, which takes seconds
    loadNames();
  }
}
if (!goTo(view, location.hash)) restorePlace(view, path);
addEventListener("hashchange", () => goTo(view, location.hash) && view.focus());
addEventListener("pagehide", () => keepPlace(view, path));
view.focus();
