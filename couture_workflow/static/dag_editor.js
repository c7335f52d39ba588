/* The page Edit DAG: the text, its draft, its problems, and the buttons above it. */

import { EditorState, EditorView, Prec, keymap, openSearchPanel, gotoLine, openLintPanel, closeLintPanel, placeholder }
  from "./vendor/codemirror.js";
import { page } from "./api.js";
import { confirm, notice } from "./dialog.js";
import { clock, tell } from "./dag_editor_banners.js";
import { completion } from "./dag_editor_completion.js";
import { runCheck, layOut, offerUpgrade, setBrickDialog } from "./dag_editor_commands.js";
import { DraftKeeper } from "./dag_editor_drafts.js";
import { hover } from "./dag_editor_help.js";
import { counts, problems } from "./dag_editor_problems.js";
import { basics, follow, goTo, isPython, languageName, readOnly } from "./dag_editor_setup.js";
import { preferences, wrapping } from "./dag_editor_preferences.js";
import { restorePlace, keepPlace } from "./dag_editor_place.js";

const byId = (id) => document.getElementById(id);
const given = JSON.parse(byId("editor").dataset.state);
const windows = /\r\n/.test(given.text) && !/(^|[^\r])\n/.test(given.text);
const plain = (text) => text.replace(/\r\n?/g, "\n");
const state = { exists: given.exists, newest: given.newest ?? { base: given.base, text: given.text } };

/* The text that the page starts with: what was typed last, here or elsewhere. */
const keeper = given.canType ? makeKeeper() : null;
const kept = keeper ? keeper.local.all().filter(isNews) : [];
const isNewer = kept.length > 0 && (!given.draft || kept[0].at > given.draft.saved);
const start = isNewer ? kept[0].content : (given.draft?.content ?? given.text);

const checker = problems(given.path, showProblems);
const view = follow(new EditorView({
  parent: byId("code"),
  state: EditorState.create({
    doc: start,
    extensions: [
      basics(given.path, start), wrapping(), completion(), hover(), checker.extension,
      given.canType ? placeholder("Start to type. Ctrl-Space completes.") : readOnly(),
      Prec.highest(keymap.of(keys())),
      EditorView.updateListener.of(updated),
    ],
  }),
}));

function keys() {
  const run = (work) => () => (work(), true);
  const mine = [{ key: "F1", run: run(() => byId("keys").showModal()) }];
  if (!given.canType) return mine;
  return [
    ...mine,
    { key: "Mod-s", run: run(review), preventDefault: true },
    { key: "Shift-Alt-f", run: run(() => layOut(view, given.path, "format")) },
    { key: "Shift-Alt-o", run: run(() => layOut(view, given.path, "imports")) },
  ];
}

const text = () => (windows ? view.state.doc.toString().replace(/\n/g, "\r\n") : view.state.doc.toString());

function updated(update) {
  if (update.docChanged && !replacing) keeper?.touch();
  if (update.selectionSet || update.docChanged) showPlace();
  if (update.focusChanged && !update.view.hasFocus) keeper?.keep();
}

/* Putting a whole text in place is a step that can be undone; it is nothing that was typed. */
let replacing = false;
function replace(content) {
  replacing = true;
  const doc = plain(content);
  const { head } = view.state.selection.main;
  view.dispatch({
    changes: { from: 0, to: view.state.doc.length, insert: doc },
    selection: { anchor: Math.min(head, doc.length) },
    userEvent: "input.replace",
  });
  replacing = false;
}

/* State of the draft. */
const STATES = {
  saved: () => ["", state.exists ? "saved" : "new file"],
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
  badge.dataset.state = kind;
  if (badge.textContent !== words) badge.textContent = words;
  byId("expired").hidden = kind !== "expired";
  tell("refused", kind === "refused" ? { kind: "error", text: detail, urgent: true } : null);
  const discard = document.querySelector('[data-do="discard"]');
  if (discard) discard.disabled = kind === "saved";
  if (kind === "saved") tell("draft", null);
}

function makeKeeper() {
  return new DraftKeeper(given, {
    text: () => text(),
    state: showState,
    changed: showChanged,
    clash: showClash,
    elsewhere,
    stranger: (name) => tell("stranger", {
      kind: "error", urgent: true,
      text: `You are logged in as ${name} now, and this text is ${given.user}'s. It is kept in this browser for ${given.user}.`,
      actions: [["Reload the page", () => location.reload()]],
    }),
  });
}

/** Tell whether a text of this browser says something that neither the draft nor the saved version says. */
function isNews({ key, content }) {
  const known = [given.draft?.content, state.newest.text].filter((each) => each !== undefined);
  if (!known.some((each) => plain(each) === plain(content))) return true;
  keeper.local.remove({ key });
  return false;
}

function showChanged(commit, status) {
  if (status?.newest) state.newest = status.newest;
  if (!commit) return tell("changed", null);
  const isClean = !keeper.dirty && keeper.revision === null;
  if (status?.newest && plain(status.newest.text) === plain(text())) return adopt(status.newest);
  const who = commit.author === given.user ? "You" : commit.author;
  const what = commit.message.split("\n")[0];
  tell("changed", {
    kind: "warn",
    text: `${who} saved another version of this file at ${clock(commit.when)}: ${what}`,
    actions: isClean
      ? [["Show it", () => location.reload()]]
      : [["See the difference", review], ["Discard my draft", discard]],
  });
}

/** The text shown has been saved, in another window or by somebody else. */
function adopt(newest) {
  state.exists = true;
  keeper.settle(newest.base, null);
  tell("changed", null);
  showState("saved");
}

function showClash() {
  tell("clash", {
    kind: "warn", urgent: true,
    text: "You have typed in this file in another window too. Nothing is lost: choose which text to go on with.",
    actions: [
      ["Keep this text", async () => (await keeper.keep({ force: true })) && tell("clash", null)],
      ["Use the other text", async () => {
        const status = await keeper.status();
        if (status?.newest || status?.draft?.content !== undefined) elsewhere(status, { setAside: true });
      }],
    ],
  });
}

/** Another window has changed the draft, and nothing was typed here since. */
function elsewhere(status, { setAside = false } = {}) {
  if (setAside) {
    const aside = { content: text(), base: keeper.base, at: new Date().toISOString() };
    keeper.local.setAside(aside);
    offerAside(keeper.local.all().filter(({ key }) => key.includes(" aside-")));
  }
  replace(status.draft ? status.draft.content : status.newest.text);
  keeper.settle(status.draft ? status.draft.base : status.newest.base, status.draft?.revision ?? null);
  showState(status.draft ? "kept" : "saved", status.draft?.saved);
  tell("clash", null);
  if (!setAside) notice("This is what you typed in another window.", "info");
}

/** Texts that this browser has beside the one shown: they can be shown, or deleted. */
function offerAside(list) {
  const [first] = list;
  if (!first) return tell("aside", null);
  tell("aside", {
    kind: "info",
    text: `This browser also keeps a text of this file from ${clock(first.at)} that is not the one shown.`,
    actions: [
      ["Show it instead", () => {
        keeper.local.setAside({ content: text(), base: keeper.base, at: new Date().toISOString() });
        keeper.local.remove(first);
        replace(first.content);
        keeper.base = first.base;
        keeper.touch();
        offerAside(keeper.local.all().filter(({ key }) => key.includes(" aside-")));
      }],
      ["Delete it", () => {
        keeper.local.remove(first);
        offerAside(list.slice(1));
      }],
    ],
  });
}

/* Buttons. */
async function review() {
  if (!keeper) return;
  if (await keeper.keep()) {
    if (keeper.revision === null) return void notice("There is nothing to save: the text is that of the newest version.", "info");
    location.href = `${page("/dag-review/")}?${new URLSearchParams({ path: given.path })}`;
  } else notice("The draft could not be kept, so it cannot be reviewed yet.", "error");
}

async function discard() {
  const sure = await confirm({
    title: "Discard your draft?", text: `${given.path} goes back to ${state.exists ? "the newest version" : "an empty text"}.`,
    action: "Discard", danger: true,
  });
  if (!sure) return;
  try {
    const saved = await keeper.discard();
    state.exists = saved.exists;
    state.newest = saved;
    replace(saved.text);
    for (const key of ["draft", "changed", "clash"]) tell(key, null);
    showState("saved");
    view.focus();
  } catch (error) {
    notice(error.message, "error");
  }
}

function showProblems() {
  const { error, warning, info } = counts(view.state);
  const button = byId("problems");
  const total = error + warning + info;
  button.textContent = total === 0 ? "No problems" : total === 1 ? "1 problem" : `${total} problems`;
  button.dataset.level = error ? "error" : warning ? "warning" : info ? "info" : "none";
}

function showPlace() {
  const { head } = view.state.selection.main;
  const line = view.state.doc.lineAt(head);
  byId("place").textContent = `Line ${line.number}, column ${head - line.from + 1}`;
}

const actions = {
  find: () => openSearchPanel(view),
  line: () => gotoLine(view),
  format: () => layOut(view, given.path, "format"),
  imports: () => layOut(view, given.path, "imports"),
  discard,
  keys: () => byId("keys").showModal(),
  ...preferences(view),
};

byId("menu").addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (!name) return;
  if (!["larger", "smaller", "wrap"].includes(name)) byId("menu").open = false;
  actions[name]();
});
addEventListener("pointerdown", (event) => {
  if (!byId("menu").contains(event.target)) byId("menu").open = false;
});
byId("menu").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  byId("menu").open = false;
  byId("menu").querySelector("summary").focus();
});

byId("problems").addEventListener("click", () => {
  if (view.dom.querySelector(".cm-panel-lint")) closeLintPanel(view);
  else openLintPanel(view);
});
byId("review")?.addEventListener("click", review);
byId("check")?.addEventListener("click", () => runCheck(view, given.path, checker, text()));
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
    event.preventDefault();
    review();
  }
});

/* Start. */
byId("language").textContent = `${languageName(given.path)}${windows ? ", Windows line ends" : ""}`;
showPlace();
if (keeper) {
  if (isNewer) {
    keeper.base = kept[0].base;
    if (given.draft) keeper.local.setAside({ content: given.draft.content, base: given.draft.base, at: given.draft.saved });
    keeper.local.remove(kept[0]);
    keeper.touch();
    notice("What you typed before is back.", "info");
  } else if (given.draft) {
    showState("kept", given.draft.saved);
  }
  if (given.draft && !isNewer) showDraft();
  for (const old of isNewer ? kept.slice(1) : kept) {
    keeper.local.remove(old);
    keeper.local.setAside(old);
  }
  offerAside(keeper.local.all().filter(({ key }) => key.includes(" aside-")));
  if (given.changed) showChanged(given.changed);
  if (given.old) offerUpgrade(view, given.path);
  if (isPython(given.path)) setBrickDialog(view);
}

function showDraft() {
  const { saved, base } = given.draft;
  const from = base ? `, based on version ${base.slice(0, 8)}` : given.exists ? "" : " of a new file";
  tell("draft", {
    text: `You have a draft from ${clock(saved)}${from}. It is shown here; nobody else sees it until you save it.`,
    actions: [["Discard", discard]], closable: true,
  });
}

if (!goTo(view, location.hash)) restorePlace(view, given.path);
addEventListener("hashchange", () => goTo(view, location.hash) && view.focus());
addEventListener("pagehide", () => keepPlace(view, given.path));
view.focus();
