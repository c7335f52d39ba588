/* Zoom: a DAG with live states, and level by level into the DAGs that its tasks run. */

import { el } from "../common/dom.js";
import { Side, whyNot } from "./zoom-side.js";
import { airflowPath, GraphView, showState } from "./zoom-view.js";

const PACE = 3000; // ms

const root = document.getElementById("zoom");
const airflow = root.dataset.airflowRoot;
const part = (selector) => root.querySelector(selector);
const [levels, main, choice, note, failure] = ["ol", ".zoom-main", "select", ".zoom-note", ".zoom-error"].map(part);

let path = []; // { dag_id, run_id } from the outermost DAG to the one that is shown
let view = null;

const side = new Side(part(".zoom-side"), airflow, (refs, address) => (refs ? go([...path, ...refs]) : leave(address)));

function leave(address) {
  const link = el("a", { href: address, "data-airflow": true, hidden: true });
  root.append(link);
  link.click();
  link.remove();
}

function go(next, data = null) {
  path = next;
  view?.destroy();
  side.clear();
  for (const alert of [note, failure]) alert.hidden = true;
  view = new GraphView(main, path.at(-1), {
    onData: show,
    onError: (error) => {
      failure.textContent = error.message;
      failure.hidden = false;
    },
    onHover: (node, from) => side.hover(0, node, node ? from.refs(node) : []),
    onOpen: open,
  }, data);
}

function open(node, from) {
  const [child] = from.refs(node);
  if (!child) leave(airflow + airflowPath(from.data.dag_id, from.data.run?.run_id, node.id));
  else if (whyNot(child)) side.hover(0, node, [child]);
  else go([...path, child]);
}

function show(data, shown) {
  failure.hidden = true;
  const { dag_id: dagId, run, runs } = data;
  const asked = shown.ref.run_id;
  part("h1").textContent = dagId;
  root.classList.toggle("zoom-alone", !Object.keys(data.children).length);
  showState(part(".bar > .zoom-state"), run);
  part(".zoom-airflow").href = airflow + airflowPath(dagId, run?.run_id);
  const waits = path.length > 1 && !asked;
  note.hidden = !waits && Boolean(run);
  note.textContent = run ? "The task has not run this DAG yet; this is its newest run." : "This DAG has not run yet.";
  showPath();
  showRuns(run && !runs.some(({ run_id: id }) => id === run.run_id) ? [run, ...runs] : runs, asked);
}

function showPath() {
  levels.hidden = path.length < 2;
  levels.replaceChildren(...path.map((ref, depth) => el("li", {},
    depth === path.length - 1
      ? el("span", { "aria-current": "page" }, ref.dag_id)
      : el("button", { type: "button", class: "btn btn-small", onclick: () => go(path.slice(0, depth + 1)) }, ref.dag_id))));
}

function showRuns(runs, asked) {
  const key = JSON.stringify([runs.map(({ run_id: id, state }) => [id, state]), asked]);
  if (choice.dataset.key === key) return;
  choice.dataset.key = key;
  choice.replaceChildren(
    el("option", { value: "", selected: !asked }, "the newest"),
    ...runs.map(({ run_id: id, state }) => el("option", { value: id, selected: id === asked }, `${id} (${state})`)),
  );
  choice.value = asked ?? "";
}

choice.addEventListener("change", () => go([...path.slice(0, -1), { ...path.at(-1), run_id: choice.value }]));

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  view?.tick();
  side.tick();
}, PACE);

/* The address may name a task: zoom into the DAG that it runs at once. */
const first = JSON.parse(root.dataset.first);
const outermost = { dag_id: first.dag_id, run_id: root.dataset.run };
const refs = first.children[root.dataset.task] ?? [];
const child = refs.find((ref) => ref.map_index === Number(root.dataset.mapIndex)) ?? refs[0];
if (child && !whyNot(child)) go([outermost, child]);
else {
  go([outermost], first);
  const node = first.graph.nodes.find(({ id }) => id === root.dataset.task);
  if (node && child) side.hover(0, node, refs);
}
