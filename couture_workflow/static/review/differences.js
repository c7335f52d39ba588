/* What becomes of each DAG: words, the graph with its marks, and a table of everything that differs. */

import { changeKey, drawGraph } from "../graph/graph.js";
import { el } from "../common/dom.js";

const LOOKS = { added: ["New", "badge-ok"], removed: ["Removed", "badge-error"], changed: ["Changed", "badge-info"], same: ["Same graph", ""] };
const WHAT = { dag: "DAG id", file: "File", task: "Task", edge: "Edge", group: "Group", schedule: "Schedule", parameter: "Parameter", setting: "Setting", tags: "Tags", owners: "Owners" };
const SIGNS = { added: "+ added", removed: "− removed", changed: "~ changed" };
const MOST_ROWS = 200;

const name = (change) => (change.what === "task" && change.old && change.new ? `${change.old} → ${change.new}` : change.name);

/** Rows of (value, before, after): a task has one for each thing that differs in it. */
function values(change) {
  if (change.values.length) return change.values;
  return change.old || change.new ? [{ name: "", old: change.old, new: change.new }] : [];
}

const pair = ({ name: what, old, new: now }) =>
  el(
    "div", { class: "difference-value" },
    what ? el("span", { class: "muted" }, `${what}: `) : null,
    old ? el("del", { class: "mono break" }, old) : null, old && now ? " → " : "", now ? el("ins", { class: "mono break" }, now) : null,
  );

function row(change) {
  return el(
    "tr", { "data-name": change.what === "task" ? change.name : false, class: `change-${change.kind}`, tabindex: "-1" },
    el("td", { class: "nowrap" }, el("span", { class: "dag-key-mark" }, SIGNS[change.kind])),
    el("th", { scope: "row" }, el("span", { class: "muted" }, `${WHAT[change.what] ?? change.what} `), el("span", { class: "mono break" }, name(change))),
    el("td", {}, ...values(change).map(pair)),
  );
}

function table(dag) {
  if (!dag.changes.length) return el("p", { class: "muted" }, "Tasks, edges, schedule, parameters and settings are the same. What tasks run inside may differ: see the text.");
  const head = ["Change", "What", "Before → after"].map((title) => el("th", { scope: "col" }, title));
  const more = dag.changes.length - MOST_ROWS;
  return el(
    "div", { class: "table-box difference-table", tabindex: "0", role: "region", "aria-label": `Changes of ${dag.dag_id}` },
    el("table", { class: "table" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...dag.changes.slice(0, MOST_ROWS).map(row))),
    more > 0 ? el("p", { class: "muted small" }, `and ${more} more`) : null,
  );
}

class Dag {
  #drawing = null;
  #dag;
  #onOpen;
  #graph = el("div");
  #head = el("span", { class: "difference-head" });
  #rows = el("div");

  constructor(dag, { open, onOpen }) {
    this.#onOpen = onOpen;
    this.element = el("details", { class: "card difference", open, "aria-label": `DAG ${dag.dag_id}` }, el("summary", {}, this.#head), this.#graph, changeKey(), this.#rows);
    this.element.addEventListener("toggle", () => this.draw());
    this.update(dag);
  }

  update(dag) {
    this.#dag = dag;
    const [label, look] = LOOKS[dag.kind];
    this.#head.replaceChildren(el("strong", { class: "break" }, dag.dag_id), " ", el("span", { class: `badge ${look}` }, label), " ", el("span", { class: "muted break" }, dag.summary));
    this.#rows.replaceChildren(table(dag));
  }

  draw() {
    if (!this.element.open || !this.element.isConnected) return; // its size is not known before
    if (this.#drawing) this.#drawing.update(this.#dag.graph);
    else this.#drawing = drawGraph(this.#graph, this.#dag.graph, { direction: this.#graph.clientWidth < 520 ? "TB" : "LR", label: `Graph of ${this.#dag.dag_id}, ${this.#dag.summary}`, onOpen: (node) => this.#opened(node) });
  }

  #opened(node) {
    for (const each of this.#rows.querySelectorAll("tr[data-name]")) {
      each.classList.toggle("difference-chosen", each.dataset.name === node.id);
      if (each.dataset.name === node.id) each.scrollIntoView({ block: "nearest" });
    }
    this.#onOpen?.(node, this.#dag);
  }
}

/**
 * Keeps a list of DAGs in a box. `onOpen(node, dag)`: a task was clicked. `show(dags, unknown)` may be called again:
 * what is open stays open, and each graph keeps its view.
 */
export class DagDifferences {
  #box;
  #onOpen;
  #known = new Map();

  constructor(box, { onOpen } = {}) {
    this.#box = box;
    this.#onOpen = onOpen;
  }

  show(dags, unknown = []) {
    const fresh = new Map();
    const told = dags.filter(({ kind }) => kind !== "same").length;
    for (const dag of dags) {
      const shown = this.#known.get(dag.dag_id);
      if (shown) shown.update(dag);
      const open = dag.kind !== "same" && told <= 6;
      fresh.set(dag.dag_id, shown ?? new Dag(dag, { open, onOpen: this.#onOpen }));
    }
    this.#known = fresh;
    const notes = unknown.map((path) => el("p", { class: "alert alert-warn" }, `The graph of ${path} cannot be drawn: the file cannot be read as a DAG file. See the problems.`));
    const empty = el("p", { class: "muted" }, "No DAG is concerned.");
    const elements = [...notes, ...[...fresh.values()].map(({ element }) => element)];
    // Only what is new is moved: a node that is put into the document again loses its scroll position and focus.
    const wanted = elements.length ? elements : [empty];
    for (const child of [...this.#box.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((element, index) => this.#box.children[index] !== element && this.#box.insertBefore(element, this.#box.children[index] ?? null));
    for (const dag of fresh.values()) dag.draw();
  }
}
