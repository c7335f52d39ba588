/* The SVG of a DAG's graph: one <g> for each task and group, one <path> for each edge. */

const SVG = "http://www.w3.org/2000/svg";
const LINE = { label: 13, small: 11 };
const [SMALLEST, LARGEST] = [120, 260];

/** Signs beside the colours, for whoever cannot tell these apart. */
export const CHANGES = { added: "+", removed: "−", changed: "~" };
export const STATES = {
  success: "✓", failed: "✕", running: "▶", upstream_failed: "⊘", skipped: "»", up_for_retry: "↻",
  up_for_reschedule: "↻", queued: "…", scheduled: "…", deferred: "‖", restarting: "↻", removed: "−",
};

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const words = (state) => state.replaceAll("_", " ");
const className = (text) => String(text).replaceAll(/[^\w-]/g, "_");

let canvas;
function textWidth(text, size, weight = 400) {
  canvas ??= document.createElement("canvas").getContext("2d");
  canvas.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return canvas.measureText(text).width;
}

function cut(text, room, size, weight) {
  if (textWidth(text, size, weight) <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (textWidth(`${text.slice(0, middle)}…`, size, weight) <= room) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}

const name = (node) => (node.label || node.id) + (node.mapped ? " [ ]" : "");
const lines = (node) => [node.operator, node.child ? `↳ ${node.child}` : "", node.state ? `${STATES[node.state] ?? "•"} ${words(node.state)}` : ""].filter(Boolean);

/** Set the width and height of every node from its texts. */
export function measure(nodes) {
  for (const item of nodes) {
    const texts = [textWidth(name(item.node), LINE.label, 600), ...lines(item.node).map((line) => textWidth(line, LINE.small))];
    item.width = Math.ceil(Math.min(Math.max(SMALLEST, Math.max(...texts) + 30), LARGEST));
    item.height = 34 + 16 * Math.max(lines(item.node).length, 1);
  }
}

/** What a screen reader says of a node. */
export function describe({ node, folds }) {
  const parts = [folds ? "Group" : "Task", node.label || node.id];
  if (node.operator) parts.push(node.operator);
  if (node.mapped) parts.push("mapped");
  if (node.child) parts.push(`runs the DAG ${node.child}`);
  if (node.state) parts.push(words(node.state));
  if (node.change) parts.push(node.change);
  if (folds) parts.push("folded, Enter opens it");
  return parts.join(", ");
}

export const nodeClass = ({ node, folds }) =>
  ["dag-node", folds && "dag-node-group", node.mapped && "dag-node-mapped", node.child && "dag-node-child",
    node.state && `state-${className(node.state)}`, node.change && `change-${className(node.change)}`].filter(Boolean).join(" ");

export function drawNode(item, canOpen) {
  const { node, width, height } = item;
  const [left, top] = [item.x - width / 2, item.y - height / 2];
  const room = width - 26;
  const text = (content, y, look, size, weight) => svg("text", { x: 15, y, class: look }, cut(content, room, size, weight));
  return svg(
    "g",
    {
      class: nodeClass(item), transform: `translate(${left} ${top})`, tabindex: "-1",
      role: canOpen || item.folds ? "button" : "img", "aria-label": describe(item),
    },
    svg("title", {}, [node.id, ...lines(node)].join("\n")),
    ...(node.mapped || item.folds ? [svg("rect", { class: "dag-node-behind", x: 5, y: 5, width, height, rx: 6 })] : []),
    svg("rect", { class: "dag-node-box", width, height, rx: 6 }),
    svg("path", { class: "dag-node-stripe", d: `M6 0 H7 V${height} H6 A6 6 0 0 1 0 ${height - 6} V6 A6 6 0 0 1 6 0 Z` }),
    text(name(node), 21, "dag-node-label", LINE.label, 600),
    ...lines(node).map((line, index) => text(line, 38 + 16 * index, "dag-node-line", LINE.small)),
    ...sign(node.change, width),
  );
}

function sign(change, x) {
  if (!CHANGES[change]) return [];
  return [
    svg("circle", { class: "dag-sign", cx: x - 2, cy: 2, r: 9 }),
    svg("text", { class: "dag-sign-text", x: x - 2, y: 6.5, "text-anchor": "middle" }, CHANGES[change]),
  ];
}

/** The box of an open group; its heading is a button that folds it. */
export function drawGroup(item) {
  const { group, width, height } = item;
  const label = group.label || group.id;
  const heading = svg(
    "g", { class: "dag-group-heading", role: "button", tabindex: "-1", "aria-expanded": "true", "aria-label": `Group ${label}, ${item.tasks} tasks, Enter folds it` },
    svg("rect", { width, height: 24, rx: 6, class: "dag-group-bar" }),
    svg("text", { x: 10, y: 17, class: "dag-group-label" }, `▾ ${cut(label, width - 34, 12, 600)}`),
    svg("title", {}, group.id),
  );
  const look = ["dag-group", group.change && `change-${className(group.change)}`].filter(Boolean).join(" ");
  return svg(
    "g", { class: look, transform: `translate(${item.x - width / 2} ${item.y - height / 2})` },
    svg("rect", { class: "dag-group-box", width, height, rx: 8 }), heading, ...sign(group.change, width),
  );
}

export function drawEdge(edge, from, to, direction, marker) {
  const look = ["dag-edge", edge.change && `change-${className(edge.change)}`].filter(Boolean).join(" ");
  return svg("path", { class: look, d: curve(ends(edge.points, from, to, direction)), "marker-end": `url(#${marker(edge.change)})` });
}

/** The way of an edge: out of the middle of a side, into the middle of the opposite one. */
function ends(points, from, to, direction) {
  if (direction === "LR") {
    const [start, end] = [{ x: from.x + from.width / 2, y: from.y }, { x: to.x - to.width / 2 - 7, y: to.y }];
    const lead = Math.min(28, Math.max(8, Math.abs(end.x - start.x) / 2));
    return [start, { x: start.x + lead, y: start.y }, ...points, { x: end.x - lead, y: end.y }, end];
  }
  const [start, end] = [{ x: from.x, y: from.y + from.height / 2 }, { x: to.x, y: to.y - to.height / 2 - 7 }];
  const lead = Math.min(24, Math.max(8, Math.abs(end.y - start.y) / 2));
  return [start, { x: start.x, y: start.y + lead }, ...points, { x: end.x, y: end.y - lead }, end];
}

/** A cubic B-spline through the ends and near the other points: it never swings out. */
function curve(points) {
  const at = (index) => points[Math.max(0, Math.min(points.length - 1, index))];
  const mix = (a, b, part) => ({ x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part });
  const write = ({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  let path = `M${write(at(0))}`;
  for (let index = 0; index < points.length; index += 1) {
    const [one, two] = [mix(at(index), at(index + 1), 1 / 3), mix(at(index), at(index + 1), 2 / 3)];
    const end = index >= points.length - 2 ? at(points.length - 1) : mix(two, mix(at(index + 1), at(index + 2), 1 / 3), 0.5);
    path += `C${write(one)} ${write(two)} ${write(end)}`;
    if (index >= points.length - 2) break;
  }
  return path;
}
