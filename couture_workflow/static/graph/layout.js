/* Where the nodes, boxes and edges of a DAG's graph stand: dagre's layout, and which groups are folded. */

import { graphlib, layout as dagre } from "../vendor/dagre.js";

const PADDING = { side: 12, top: 28, bottom: 12 };
const LARGE = 120; // more tasks than this: unread at the size at which all of them fit
const MANY = 300; // more nodes than this: dagre's exact ranking takes seconds

/** States that a folded group shows for all of its tasks, the first that one of them has. */
const WORST = [
  "failed", "upstream_failed", "up_for_retry", "running", "restarting", "deferred", "up_for_reschedule", "queued",
  "scheduled", "skipped", "removed", "success",
];

/** Group id -> the ids of its tasks, those of the groups inside it too. */
function members(graph, parents) {
  const found = new Map(graph.groups.map((group) => [group.id, []]));
  for (const node of graph.nodes) for (const id of lineage(node.group, parents)) found.get(id).push(node);
  return found;
}

/** The group and the groups around it, inner to outer; ends where the data has a loop. */
function lineage(id, parents) {
  const chain = [];
  while (id && parents.has(id) && !chain.includes(id)) {
    chain.push(id);
    id = parents.get(id);
  }
  return chain;
}

/** The groups that a large graph begins with closed: outer ones in which nothing changed. */
export function foldedAtFirst({ nodes = [], groups = [] }) {
  if (nodes.length <= LARGE) return new Set();
  const graph = { nodes, groups };
  const inside = members(graph, new Map(groups.map((group) => [group.id, group.parent || ""])));
  const quiet = groups.filter(({ id, parent }) => !parent && !inside.get(id).some((node) => node.change));
  return new Set(quiet.map(({ id }) => id));
}

const change = (nodes) => {
  const kinds = new Set(nodes.map((node) => node.change ?? ""));
  return kinds.size === 1 ? [...kinds][0] : "changed";
};

/**
 * What is to be seen while the groups in `folded` are closed: a folded group is a node that stands for all in it.
 * Returns { nodes, edges, groups } with ids that nothing else has: a task "t:…", a group "g:…".
 */
export function visible(graph, folded) {
  const parents = new Map(graph.groups.map((group) => [group.id, group.parent || ""]));
  const inside = members(graph, parents);
  const outermost = (id) => lineage(id, parents).findLast((group) => folded.has(group));
  const place = new Map();
  const nodes = [];
  for (const node of graph.nodes) {
    const closed = outermost(node.group);
    place.set(node.id, closed ? `g:${closed}` : `t:${node.id}`);
    if (!closed) nodes.push({ key: `t:${node.id}`, node, parent: parents.has(node.group) ? `g:${node.group}` : "" });
  }
  const groups = [];
  for (const group of graph.groups) {
    const closed = outermost(group.id);
    const tasks = inside.get(group.id);
    const parent = parents.has(group.parent) ? `g:${group.parent}` : "";
    if (!tasks.length || (closed && closed !== group.id)) continue;
    if (closed) nodes.push({ key: `g:${group.id}`, node: summary(group, tasks), parent, folds: group.id });
    else groups.push({ key: `g:${group.id}`, group, parent, tasks: tasks.length });
  }
  return { nodes, edges: edges(graph, place), groups };
}

function summary(group, tasks) {
  const states = new Set(tasks.map((node) => node.state));
  return {
    id: group.id, label: group.label || group.id, operator: `${tasks.length} task${tasks.length === 1 ? "" : "s"}`,
    state: WORST.find((state) => states.has(state)), change: change(tasks), isGroup: true,
  };
}

function edges(graph, place) {
  const found = new Map();
  for (const edge of graph.edges) {
    const [from, to] = [place.get(edge.from), place.get(edge.to)];
    if (!from || !to || from === to) continue;
    const key = JSON.stringify([from, to]);
    const seen = found.get(key);
    const mark = edge.change ?? "";
    if (!seen) found.set(key, { key, from, to, change: mark });
    else if (seen.change !== mark) seen.change = "changed";
  }
  return [...found.values()];
}

/** Add x, y (middle), width, height to nodes and groups and points to edges; returns the size of all. */
export function place(shown, { direction = "LR" } = {}) {
  try {
    withDagre(shown, direction);
  } catch (error) {
    console.warn("The graph is laid out the simple way:", error);
    inRows(shown, direction);
  }
  return frame(shown);
}

function withDagre(shown, direction) {
  const graph = new graphlib.Graph({ compound: true });
  const ranker = shown.nodes.length > MANY ? "tight-tree" : "network-simplex";
  graph.setGraph({ rankdir: direction, nodesep: 44, edgesep: 16, ranksep: direction === "LR" ? 64 : 56, ranker });
  const numbers = new Map([...shown.nodes, ...shown.groups].map(({ key }, index) => [key, String(index)]));
  for (const group of shown.groups) graph.setNode(numbers.get(group.key), {});
  for (const { key, width, height } of shown.nodes) graph.setNode(numbers.get(key), { width, height });
  for (const { key, parent } of [...shown.nodes, ...shown.groups]) {
    if (numbers.has(parent)) graph.setParent(numbers.get(key), numbers.get(parent));
  }
  for (const { from, to } of shown.edges) graph.setEdge(numbers.get(from), numbers.get(to), {});
  dagre(graph);
  for (const node of shown.nodes) {
    const { x, y } = graph.node(numbers.get(node.key));
    Object.assign(node, { x, y });
  }
  for (const edge of shown.edges) {
    // The first and last are on the boxes, the others where the edge passes a rank of nodes that are in its way.
    edge.points = graph.edge(numbers.get(edge.from), numbers.get(edge.to)).points.slice(1, -1);
    if (edge.points.length === 1) edge.points = [];
  }
}

/** Columns by the longest way from a root: for what dagre cannot do. */
function inRows(shown, direction) {
  const rank = new Map(shown.nodes.map(({ key }) => [key, 0]));
  for (let round = 0; round < shown.nodes.length; round += 1) {
    let moved = false;
    for (const { from, to } of shown.edges) {
      if (rank.get(to) <= rank.get(from) && rank.get(from) + 1 < shown.nodes.length) {
        rank.set(to, rank.get(from) + 1);
        moved = true;
      }
    }
    if (!moved) break;
  }
  const used = new Map();
  for (const node of shown.nodes) {
    const [along, across] = [rank.get(node.key), used.get(rank.get(node.key)) ?? 0];
    used.set(along, across + 1);
    Object.assign(node, direction === "LR" ? { x: along * 290, y: across * 100 } : { x: across * 270, y: along * 120 });
  }
  for (const edge of shown.edges) edge.points = [];
}

/** Sort the groups outer first, put their boxes around what is in them, and move the whole to begin at 0, 0. */
function frame(shown) {
  const depth = (group, seen = 0) => {
    const outer = shown.groups.find(({ key }) => key === group.parent);
    return outer && seen < 50 ? 1 + depth(outer, seen + 1) : 0;
  };
  const edgesOf = ({ x, y, width, height }) => [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
  const around = (boxes) => boxes.map(edgesOf).reduce(
    (all, box) => [Math.min(all[0], box[0]), Math.min(all[1], box[1]), Math.max(all[2], box[2]), Math.max(all[3], box[3])],
    [Infinity, Infinity, -Infinity, -Infinity],
  );
  for (const group of shown.groups) group.depth = depth(group);
  shown.groups.sort((a, b) => a.depth - b.depth);
  for (const group of shown.groups.toReversed()) {
    const children = [...shown.nodes, ...shown.groups].filter((item) => item.parent === group.key && item.x !== undefined);
    const [left, top, right, bottom] = around(children);
    const width = Math.max(right - left + 2 * PADDING.side, 120);
    const height = bottom - top + PADDING.top + PADDING.bottom;
    Object.assign(group, { x: (left + right) / 2, y: top - PADDING.top + height / 2, width, height });
  }
  const boxes = [...shown.nodes, ...shown.groups];
  if (!boxes.length) return { width: 0, height: 0 };
  const [left, top, right, bottom] = around(boxes);
  for (const box of boxes) Object.assign(box, { x: box.x - left, y: box.y - top });
  for (const edge of shown.edges) edge.points = edge.points.map(({ x, y }) => ({ x: x - left, y: y - top }));
  return { width: right - left, height: bottom - top };
}
