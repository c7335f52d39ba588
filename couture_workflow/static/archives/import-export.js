/* Import/Export: an archive is sent, its plan is shown, and exactly that is done by the button Import. */

import { ApiError, api, page, post, upload } from "../common/api.js";
import { confirm, notice } from "../common/dialog.js";
import { tooLarge, uploaded } from "../common/sizes.js";
import { showPlan } from "./plan.js";

const box = document.getElementById("import");
const form = document.getElementById("choices");
const at = (id) => document.getElementById(id);

const state = { kept: "", plan: null, abort: null, round: 0 };

const choices = () => ({
  on_conflict: at("on-conflict").value,
  upgrade: at("noun").value === "dags" && at("upgrade").checked,
});

function problem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function forget() {
  if (state.kept) post(page("/import-export/drop"), { kept: state.kept }).catch(() => {});
  state.abort?.abort();
  state.kept = "";
  state.plan = null;
  at("plan").replaceChildren();
  at("plan").inert = false;
  problem("");
}

function show(plan) {
  state.plan = plan;
  showPlan(at("plan"), plan, {
    mayOverride: Boolean(box.dataset.mayOverride),
    onImport: (message, override) => apply(message, override),
    onCancel: () => {
      forget();
      at("file").value = "";
      at("file").focus();
    },
  });
}

/** Do some work; what the server refuses is told. Answers are dropped when something newer was asked. */
async function attempt(work) {
  const round = (state.round += 1);
  problem("");
  try {
    const answer = await work();
    if (round === state.round) show(answer);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (round !== state.round || error.code === "aborted") return;
    problem(error.message);
    at("plan").replaceChildren();
    if (error.body.plan) show(error.body.plan);
  }
}

async function send(file) {
  forget();
  const refused = tooLarge("The file has", file.size, Number(box.dataset.mostBytes));
  if (refused) return void problem(refused);
  const { on_conflict, upgrade } = choices();
  const query = new URLSearchParams({ dry_run: "true", keep: "true", on_conflict, upgrade });
  const bar = at("sending").querySelector("progress");
  const progress = (sent, total) => {
    bar.value = total ? sent / total : 1;
    at("sending-text").textContent = uploaded(sent, total);
  };
  progress(0, file.size);
  at("sending").hidden = false;
  const abort = (state.abort = new AbortController());
  await attempt(async () => {
    try {
      const plan = await upload(`${api(`/${at("noun").value}/`)}?${query}`, file, progress, {
        method: "POST",
        signal: abort.signal,
      });
      state.kept = plan.kept;
      return plan;
    } finally {
      if (state.abort === abort) at("sending").hidden = true;
    }
  });
}

async function planAgain() {
  if (!state.kept) return;
  at("plan").inert = true; // what it shows was chosen otherwise
  const round = state.round + 1;
  await attempt(() => post(page("/import-export/plan"), { kept: state.kept, ...choices() }));
  if (round === state.round) at("plan").inert = false;
}

async function apply(message, override) {
  if (override) {
    const sure = await confirm({
      title: "Import in spite of the errors?",
      text: "DAGs with errors go live as they are. It is noted in the audit log.",
      action: "Import all the same",
      danger: true,
    });
    if (!sure) return;
  }
  const button = at("plan").querySelector("[data-import]");
  button.disabled = true;
  problem("");
  try {
    const { kept, plan } = state;
    const done = await post(page("/import-export/import"), {
      kept,
      token: plan.token,
      message,
      override,
      ...choices(),
    });
    const count = done.counts.create + done.counts.update;
    state.kept = "";
    forget();
    at("file").value = "";
    notice(count ? `Imported ${count} ${count === 1 ? "file" : "files"}.` : "Everything was here already.");
    at("import-heading").scrollIntoView();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem(error.message);
    if (error.body.plan) show(error.body.plan);
    else button.disabled = false;
  }
}

function showUpgrade() {
  at("upgrade-field").hidden = at("noun").value !== "dags";
}

if (form) {
  showUpgrade();
  form.addEventListener("submit", (event) => event.preventDefault());
  at("stop").addEventListener("click", () => {
    forget();
    at("file").value = "";
  });
  form.addEventListener("change", ({ target }) => {
    if (target.id === "file") {
      if (target.files.length) send(target.files[0]);
      else forget();
    } else if (target.id === "noun") {
      showUpgrade();
      if (at("file").files.length) send(at("file").files[0]);
    } else planAgain();
  });
}
