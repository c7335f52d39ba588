/* One level of Zoom: the graph of a DAG with the states of a run, drawn anew while it changes. */

import { get, page } from "../common/api.js";
import { drawGraph } from "../graph/graph.js";

const ENDED = ["success", "failed"];
const BADGES = { success: "badge-ok", failed: "badge-error", running: "badge-info", queued: "badge-warn" };

export const fetchGraph = (dagId, runId) =>
  get(page(`/zoom/${encodeURIComponent(dagId)}/graph${runId ? `?run_id=${encodeURIComponent(runId)}` : ""}`));

/** Show a run's state in a badge. */
export function showState(badge, run) {
  badge.hidden = !run;
  badge.className = `badge zoom-state ${BADGES[run?.state] ?? ""}`;
  if (badge.textContent !== (run?.state ?? "")) badge.textContent = run?.state ?? "";
}

/** Path of Airflow's page of a task, of a run or of a DAG, below its root. */
export function airflowPath(dagId, runId = "", taskId = "") {
  const parts = ["dags", dagId, ...(runId ? ["runs", runId] : []), ...(taskId ? ["tasks", taskId] : [])];
  return parts.map(encodeURIComponent).join("/");
}

export class GraphView {
  #container;
  #drawing = null;
  #events;
  #ticks = 0;
  #busy = false;
  #gone = false;

  /**
   * `ref`: { dag_id, run_id }, without a run the newest one. `events`: onData(data), onError(error),
   * onChild(node, refs, element), onOpen(node, data).
   */
  constructor(container, ref, events, data = null) {
    this.#container = container;
    this.#events = events;
    this.ref = ref;
    this.data = null;
    if (data) this.#show(data);
    else this.refresh();
  }

  async refresh() {
    if (this.#busy || this.#gone) return;
    this.#busy = true;
    try {
      const data = await fetchGraph(this.ref.dag_id, this.ref.run_id);
      if (!this.#gone) this.#show(data);
    } catch (error) {
      if (!this.#gone) this.#events.onError?.(error);
    } finally {
      this.#busy = false;
    }
  }

  /** Look again: soon while the run goes on, seldom once it has ended. */
  tick() {
    this.#ticks += 1;
    const ended = this.data?.run && ENDED.includes(this.data.run.state);
    if (!ended || this.#ticks % 5 === 0) this.refresh();
  }

  refs(node) {
    return this.data?.children[node.id] ?? [];
  }

  destroy() {
    this.#gone = true;
    this.#drawing?.destroy();
  }

  #show(data) {
    const before = this.data && JSON.stringify(this.data.graph);
    this.data = data;
    if (!this.#drawing) {
      this.#drawing = drawGraph(this.#container, data.graph, {
        label: `Graph of ${data.dag_id}`,
        onOpen: (node) => this.#events.onOpen?.(node, this),
        onHover: (node, element) => this.#events.onHover?.(node, this, element),
      });
    } else if (before !== JSON.stringify(data.graph)) this.#drawing.update(data.graph);
    this.#events.onData?.(data, this);
  }
}
