/* After a save: the version, and what Airflow makes of the files, until it has seen them all. */

import { get, page } from "../common/api.js";
import { el } from "../common/dom.js";

const EVERY = 700;
const PATIENCE = 90000;

const LABELS = { waiting: ["Airflow is reading it…", "badge-info"], parsed: ["Visible in Airflow", "badge-ok"], error: ["Airflow cannot import it", "badge-error"], none: ["Saved, no DAG in it", ""] };

function row(file, airflow) {
  const [label, look] = LABELS[file.state];
  const dags = file.dags.map((id) => el("a", { class: "break", "data-airflow": true, href: `${airflow}dags/${encodeURIComponent(id)}` }, `Open ${id} in Airflow`));
  const edit = `/dag-editor/?path=${encodeURIComponent(file.path)}`;
  return el(
    "li", { class: "saved-file" },
    el("div", { class: "bar" }, el("strong", { class: "break" }, file.path), el("span", { class: `badge ${look}` }, label), ...dags, el("a", { href: page(edit) }, "Edit")),
    file.error ? el("pre", { class: "code code-wrap" }, file.error) : null,
    file.error && file.line ? el("a", { href: page(`${edit}#L${file.line}`) }, `Go to line ${file.line}`) : null,
  );
}

/** Show what was saved in a box, and go on asking while files are waited for. */
export function showSaved(box, { commit, message, files, overridden }, airflow) {
  const list = el("ul", { class: "saved-files" });
  const status = el("p", { role: "status", class: "muted" });
  const paths = files.map(({ path }) => `path=${encodeURIComponent(path)}`).join("&");
  const one = files.length === 1 ? `?path=${encodeURIComponent(files[0].path)}` : "";
  box.replaceChildren(el(
    "section", { class: "card saved" },
    el("h2", { tabindex: "-1" }, `Saved as version ${commit.slice(0, 10)}`),
    el("p", { class: "break" }, message),
    overridden ? el("p", { class: "alert alert-warn" }, "Saved in spite of errors; the audit log says so.") : null,
    status, list,
    el("div", { class: "bar" }, el("a", { class: "btn", href: page(`/dag-history/${one}`) }, "History"), el("a", { class: "btn", href: page(`/dag-history/${commit}`) }, "This version"), el("a", { class: "btn", href: page("/manage-dags/") }, "Manage DAGs")),
  ));
  box.querySelector("h2").focus();
  const started = performance.now();

  const show = (found) => {
    list.replaceChildren(...found.map((file) => row(file, airflow)));
    const waiting = found.some(({ state }) => state === "waiting");
    const patient = performance.now() - started < PATIENCE;
    if (!waiting) status.textContent = found.some(({ state }) => state === "error") ? "Airflow has read it and found an error." : "Live. Runs that start from now on use this version; runs under way keep theirs.";
    else if (patient) status.textContent = `Airflow reads the new version (${Math.round((performance.now() - started) / 1000)} s)…`;
    else status.textContent = "Airflow has not read it yet. Its DAG processor may be busy or not be running; the version is saved.";
    if (waiting && patient) setTimeout(ask, EVERY);
  };
  const ask = async () => {
    let found = files;
    try {
      found = (await get(page(`/dag-review/live?commit=${commit}&${paths}`))).files;
    } catch {
      // asked again, as long as there is patience
    }
    show(found);
  };
  show(files);
}
