/* The rows of a model's versions: state, size, who made them; below each, what is known of it. */

import { el, freshId, icon, iconButton } from "../common/dom.js";
import { bytes } from "../common/sizes.js";
import { BADGES, MOVING, number, shape, table, when } from "./words.js";

/* Tensors that are shown of a version; a model may have any number of them. */
const MOST = 200;

/** Rows in `body`, of which one is drawn again only if its version has changed: a button that is replaced loses a press. */
export class Versions {
  #rows = new Map();

  /** does: what its buttons do, { promote, choose, again, drop } with a version, and `path(rest)` of the REST API. */
  constructor(body, { rights, airflow, does }) {
    Object.assign(this, { body, rights, airflow, does });
  }

  show(model) {
    const wanted = new Set(model.versions.map(({ version }) => version));
    for (const [version, { nodes }] of this.#rows) {
      if (wanted.has(version)) continue;
      for (const node of nodes) node.remove();
      this.#rows.delete(version);
    }
    if (!this.#rows.size) this.body.replaceChildren();
    for (const version of [...model.versions].reverse()) this.#keep(model, version);
  }

  /* Versions come from the oldest on, so that a new one goes to the top. */
  #keep(model, version) {
    const key = JSON.stringify([{ ...version, served: null }, labelsOf(model, version), model.stopped]);
    const had = this.#rows.get(version.version);
    if (had?.key === key) return;
    const row = this.#draw(model, version, had?.open ?? false);
    if (had) {
      const focused = had.nodes[0].contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
      had.nodes[0].replaceWith(row.nodes[0]);
      had.nodes[1].replaceWith(row.nodes[1]);
      const controls = [...row.nodes[0].querySelectorAll("button, a")];
      if (focused) (controls.find((each) => each.getAttribute("aria-label") === focused) ?? controls.at(-1))?.focus();
    } else this.body.prepend(...row.nodes);
    this.#rows.set(version.version, { ...row, key });
  }

  #draw(model, version, open) {
    const row = { open };
    const id = freshId("version");
    const details = el("tr", { id, hidden: !open, class: "model-details" }, el("td", { colspan: 6 }));
    const fill = () => details.firstChild.replaceChildren(...about(model, version, this));
    const toggle = iconButton("eye", `Details of version ${version.version}`, () => {
      row.open = this.#rows.get(version.version).open = details.hidden;
      if (row.open) fill();
      details.hidden = !row.open;
      toggle.setAttribute("aria-expanded", String(row.open));
    });
    toggle.setAttribute("aria-expanded", String(open));
    toggle.setAttribute("aria-controls", id);
    if (open) fill();
    const marks = labelsOf(model, version).map((label) => el("span", { class: "badge badge-info model-mark" }, label));
    const main = el(
      "tr",
      { "data-version": version.version },
      el("th", { scope: "row", class: "nowrap" }, String(version.version), ...marks),
      el("td", { "data-label": "State" }, ...state(version)),
      el("td", { class: "number nowrap", "data-label": "Size", title: `${number(version.size, 20)} bytes` }, bytes(version.size)),
      el("td", { "data-label": "Received" }, when(version.uploaded_at), el("span", { class: "muted break" }, ` by ${version.uploaded_by}`)),
      el("td", { "data-label": "Made by", class: "break" }, ...maker(version.run, this.airflow)),
      el("td", { class: "actions" }, ...this.#buttons(model, version), toggle),
    );
    return Object.assign(row, { nodes: [main, details] });
  }

  #buttons(model, version) {
    const { promote, choose, again, path } = this.does;
    const button = (text, label, press, look = "") => el("button", { type: "button", class: `btn btn-small ${look}`, "aria-label": label, onclick: press }, text);
    const found = [];
    const name = `version ${version.version}`;
    const good = ["serving", "ready", "stopped"].includes(version.state) && model.served_as;
    if (this.rights.edit && good && model.labels.stable !== version.version) {
      found.push(button("Promote", `Promote ${name}`, () => promote(version.version, "stable")));
      if (model.labels.canary !== version.version) found.push(button("Canary", `Make ${name} the canary`, () => promote(version.version, "canary")));
    }
    if (this.rights.edit && version.state === "choose") found.push(button("Look and take…", `Look at ${name} and take it`, () => choose(version), "btn-primary"));
    if (this.rights.edit && ["failed", "refused"].includes(version.state)) found.push(button("Try again", `Try ${name} again`, () => again(version.version)));
    const content = path(`/versions/${version.version}/content`);
    found.push(el("a", { class: "btn btn-icon", href: content, download: true, title: "Download", "aria-label": `Download ${name}` }, icon("download")));
    return found;
  }
}

const labelsOf = (model, version) => Object.keys(model.labels).filter((label) => model.labels[label] === version.version).sort();

function state({ state: word, message, share, waits }) {
  const moving = MOVING.includes(word);
  const bar = moving && !waits ? el("progress", { class: "progress", max: 1, "aria-label": word }) : null;
  if (bar && typeof share === "number") bar.value = share;
  return [
    el("span", { class: `badge ${BADGES[word] ?? "badge-info"}` }, word),
    message ? el("span", { class: "small break model-message" }, message) : null,
    bar,
  ].filter(Boolean);
}

function maker(run, airflow) {
  if (!run?.dag_id) return [el("span", { class: "muted" }, "an upload")];
  const [dag, id, task] = [run.dag_id, run.run_id, run.task_id].map(encodeURIComponent);
  const mapped = run.map_index >= 0 ? `/mapped/${run.map_index}` : "";
  const href = `${airflow}dags/${dag}/runs/${id}/tasks/${task}${mapped}`;
  return [el("a", { href, "data-airflow": true }, `${run.dag_id}: ${run.task_id}`), el("span", { class: "small muted break model-message" }, run.run_id)];
}

/** What is known of a version, for the row below its own. */
function about(model, version, { rights, does }) {
  const check = version.check ?? {};
  const run = version.run ?? {};
  const copy = (text, what) => el("button", { type: "button", class: "btn btn-icon btn-copy", "data-copy": text, title: `Copy the ${what}`, "aria-label": `Copy the ${what}` }, icon("copy"));
  const labels = rights.edit
    ? labelsOf(model, version).map((label) =>
        el("span", { class: "model-mark" }, label, " ", el("button", { type: "button", class: "btn btn-small", "aria-label": `Take the label ${label} off`, onclick: () => does.drop(label) }, "Take off")),
      )
    : [];
  const facts = [
    ["SHA-256", version.sha256 && el("span", { class: "copied break" }, el("code", {}, version.sha256), copy(version.sha256, "sha256"))],
    ["Note", version.note],
    ["Labels", labels.length && el("span", {}, ...labels)],
    ["In the archive", version.layout?.said ?? ""],
    ["Format", [check.format, check.tensorflow && `of TensorFlow ${check.tensorflow}`].filter(Boolean).join(" ")],
    ["Runs by", check.engine],
    ["Unpacked", typeof check.bytes === "number" && bytes(check.bytes)],
    ["Memory at its check", typeof check.memory_bytes === "number" && bytes(check.memory_bytes)],
    ["Unknown operations", (check.unknown_operations ?? []).join(", ")],
    ["Try of the task", run.dag_id && `${run.try_number ?? ""}`],
    ["Code version", run.dag_version && el("span", { class: "copied break" }, el("code", {}, run.dag_version), copy(run.dag_version, "code version"))],
    ["Metrics", Object.entries(version.metrics ?? {}).slice(0, MOST).map(([name, value]) => `${name} = ${number(value)}`).join(", ")],
  ].filter(([, value]) => value);
  const list = el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { class: "break" }, value)]));
  return [list, ...signatures(check.signatures ?? {})];
}

function signatures(all) {
  const rows = Object.entries(all).flatMap(([name, { inputs = {}, outputs = {} }]) => [
    ...Object.entries(inputs).map(([tensor, each]) => [name, "input", tensor, each]),
    ...Object.entries(outputs).map(([tensor, each]) => [name, "output", tensor, each]),
  ]);
  if (!rows.length) return [];
  const cells = rows.slice(0, MOST).map(([name, way, tensor, each]) => [
    name,
    way,
    tensor,
    el("code", {}, String(each.dtype).replace(/^DT_/, "").toLowerCase()),
    el("code", {}, shape(each.shape)),
  ]);
  const more = rows.length > MOST ? [el("p", { class: "muted" }, `The first ${MOST} of ${number(rows.length, 20)}.`)] : [];
  const heads = ["Signature", "Tensor", "Name", "Type", "Shape"];
  return [el("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Signatures" }, table(heads, cells)), ...more];
}
