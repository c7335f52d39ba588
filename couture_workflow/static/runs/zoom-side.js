/* The side panel of Zoom: live previews of the DAG that a task runs, and of the DAGs that its tasks run. */

import { el, iconButton } from "../common/dom.js";
import { airflowPath, GraphView, showState } from "./zoom-view.js";

const PATIENCE = 180; // ms that the pointer must rest

/** What is said of a child that cannot be shown, "" if it can. */
export function whyNot(ref) {
  if (!ref.known) return `There is no DAG ${ref.dag_id}. It was deleted, or Airflow has not read its file yet.`;
  if (!ref.readable) return `Your role may not read the DAG ${ref.dag_id}. An administrator can change roles.`;
  return "";
}

export class Side {
  #element;
  #root;
  #zoomTo;
  #previews = [];
  #timer = 0;

  /** `zoomTo(refs)`: called with the levels from the main graph down to the one that is wanted. */
  constructor(element, root, zoomTo) {
    this.#element = element;
    this.#root = root;
    this.#zoomTo = zoomTo;
    this.clear();
  }

  clear() {
    this.#drop(0);
    this.#element.replaceChildren(
      el("p", { class: "muted small zoom-hint" }, "Point at a task that runs another DAG, or move to it with the arrow keys, to see that DAG here. Open it to zoom in."),
    );
  }

  tick() {
    for (const { view } of this.#previews) view?.tick();
  }

  /** The pointer or the focus is on a task of the graph at a depth; 0 is the main one. */
  hover(depth, node, refs) {
    clearTimeout(this.#timer);
    if (node && refs.length) this.#timer = setTimeout(() => this.#open(depth, node, refs), PATIENCE);
  }

  #open(depth, node, refs) {
    const key = JSON.stringify([node.id, refs.map(({ dag_id, run_id }) => [dag_id, run_id])]);
    if (this.#previews[depth]?.key === key) return;
    this.#drop(depth);
    if (!depth) this.#element.replaceChildren();
    const preview = { key, refs, index: 0, view: null, element: el("section", { class: "card zoom-preview" }) };
    this.#previews[depth] = preview;
    this.#element.append(preview.element);
    this.#fill(depth, node);
  }

  #fill(depth, node) {
    const preview = this.#previews[depth];
    const ref = preview.refs[preview.index];
    preview.view?.destroy();
    preview.view = null;
    const reason = whyNot(ref);
    const badge = el("span", { class: "badge zoom-state", hidden: true });
    const about = el("p", { class: "muted small break" });
    const box = el("div", { class: "zoom-small" });
    preview.element.replaceChildren(
      el("div", { class: "bar" },
        el("h2", { class: "grow break" }, ref.dag_id), badge,
        iconButton("close", `Close the preview of ${ref.dag_id}`, () => (depth ? this.#drop(depth) : this.clear()))),
      ...(preview.refs.length > 1 ? [this.#choice(depth, node)] : []),
      about,
      ...(reason ? [el("p", { class: "empty zoom-locked" }, reason)] : [box, this.#buttons(depth, ref)]),
    );
    about.textContent = `Run by the task ${node.label}.`;
    if (reason) return;
    preview.view = new GraphView(box, ref, {
      onData: ({ run }) => {
        showState(badge, run);
        about.textContent = ref.run_id || !run ? `Run by the task ${node.label}: ${run?.run_id ?? "no run yet"}.` : `The task ${node.label} has not run it yet. Its newest run: ${run.run_id}.`;
      },
      onError: (error) => (about.textContent = error.message),
      onHover: (inner, view) => this.hover(depth + 1, inner, inner ? view.refs(inner) : []),
      onOpen: (inner, view) => this.#enter(depth, inner, view),
    });
  }

  #choice(depth, node) {
    const preview = this.#previews[depth];
    const select = el("select", {
      onchange: () => {
        preview.index = Number(select.value);
        this.#drop(depth + 1);
        this.#fill(depth, node);
      },
    }, ...preview.refs.map((ref, index) => el("option", { value: index, selected: index === preview.index }, `[${ref.map_index}] ${ref.dag_id}`)));
    return el("label", { class: "zoom-choice" }, "Instance ", select);
  }

  #buttons(depth, ref) {
    return el("div", { class: "bar" },
      el("button", { type: "button", class: "btn btn-small", onclick: () => this.#zoomTo(this.#levels(depth)) }, "Zoom in"),
      el("a", { class: "btn btn-small", "data-airflow": true, href: this.#root + airflowPath(ref.dag_id, ref.run_id) }, "Open in Airflow"));
  }

  #levels(depth) {
    return this.#previews.slice(0, depth + 1).map(({ refs, index }) => refs[index]);
  }

  #enter(depth, node, view) {
    const [child] = view.refs(node);
    if (child && !whyNot(child)) this.#zoomTo([...this.#levels(depth), child]);
    else if (child) this.#open(depth + 1, node, [child]);
    else this.#zoomTo(null, this.#root + airflowPath(view.data.dag_id, view.data.run?.run_id, node.id));
  }

  #drop(depth) {
    clearTimeout(this.#timer);
    for (const preview of this.#previews.splice(depth)) {
      preview.view?.destroy();
      preview.element.remove();
    }
  }
}
