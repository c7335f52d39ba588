/*
 * The graph of a DAG: tasks, groups, edges, with states of a run or marks of what changed.
 *
 *   const drawing = drawGraph(container, graph, { onOpen, onHover, direction: "LR", label: "Graph of …" });
 *   drawing.update(graph)   the same view, new data;   drawing.fit()   drawing.destroy()
 *
 *   graph = { nodes: [{ id, label, operator, group, state?, change?, child?, mapped? }],
 *             edges: [{ from, to, change? }], groups: [{ id, label, parent, change? }] }
 *
 * onOpen(node): a click or Enter on a task. onHover(node or null, element): pointer or focus comes and goes.
 * Keys: arrows go to the nearest node, Enter opens, + - 0 zoom. The page links dag_graph.css.
 */

import { drawEdge, drawGroup, drawNode, measure, svg } from "./draw.js";
import { foldedAtFirst, place, visible } from "./layout.js";
import { View } from "./view.js";
import { el, freshId } from "../common/dom.js";

const MARKS = ["", "added", "removed", "changed"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Drawing {
  #graph;
  #options;
  #folded = new Set();
  #shown = { nodes: [], edges: [], groups: [] };
  #size = { width: 0, height: 0 };
  #elements = new Map();
  #current = "";
  #box;
  #content = svg("g");
  #svg;
  #view;
  #resize;
  #prefix = freshId("dag-arrow");

  constructor(container, graph, options) {
    this.#options = { direction: "LR", label: "Graph of the DAG", ...options };
    this.#svg = svg("svg", { class: "dag-graph-drawing", role: "group", "aria-label": this.#options.label }, this.#markers(), this.#content);
    this.#view = new View(this.#svg, this.#content, () => this.#size);
    this.#box = el("div", { class: "dag-graph" }, this.#svg, this.#controls());
    container.append(this.#box);
    this.#listen();
    this.#resize = new ResizeObserver(() => !this.#view.moved && this.#view.fit());
    this.#resize.observe(this.#svg);
    this.#folded = foldedAtFirst(graph);
    this.update(graph);
  }

  update(graph) {
    this.#graph = { nodes: graph.nodes ?? [], edges: graph.edges ?? [], groups: graph.groups ?? [] };
    for (const group of this.#folded) if (!this.#graph.groups.some(({ id }) => id === group)) this.#folded.delete(group);
    this.#draw();
  }

  fit = () => this.#view.fit();

  destroy() {
    this.#resize.disconnect();
    this.#box.remove();
  }

  #draw() {
    const focused = this.#content.contains(document.activeElement);
    const before = this.#shape();
    const shown = visible(this.#graph, this.#folded);
    measure(shown.nodes);
    this.#shown = shown;
    this.#size = place(shown, this.#options);
    this.#elements.clear();
    const at = new Map(shown.nodes.map((item) => [item.key, item]));
    const marker = (change) => `${this.#prefix}-${MARKS.includes(change) ? change : ""}`;
    const canOpen = Boolean(this.#options.onOpen);
    this.#content.replaceChildren(
      svg("g", {}, ...shown.groups.map((item) => this.#keep(item, drawGroup(item)))),
      svg("g", { "aria-hidden": "true" }, ...shown.edges.map((edge) => drawEdge(edge, at.get(edge.from), at.get(edge.to), this.#options.direction, marker))),
      svg("g", {}, ...shown.nodes.map((item) => this.#keep(item, drawNode(item, canOpen)))),
    );
    this.#box.classList.toggle("dag-graph-empty", !shown.nodes.length);
    this.#choose(this.#elements.has(this.#current) ? this.#current : shown.nodes[0]?.key ?? "", focused);
    if (!this.#view.moved && before !== this.#shape()) this.#view.fit();
  }

  #shape() {
    return JSON.stringify([this.#shown.nodes.map(({ key, width, height }) => [key, width, height]), this.#shown.edges.map(({ key }) => key)]);
  }

  #keep(item, element) {
    const target = element.querySelector(".dag-group-heading") ?? element;
    target.dataset.key = item.key;
    this.#elements.set(item.key, { item, target });
    return element;
  }

  /** One element at a time is in the tab order; the arrow keys move from it. */
  #choose(key, focus) {
    this.#elements.get(this.#current)?.target.setAttribute("tabindex", "-1");
    this.#current = key;
    const chosen = this.#elements.get(key);
    chosen?.target.setAttribute("tabindex", "0");
    if (focus) chosen?.target.focus({ preventScroll: true });
  }

  #found(event) {
    return this.#elements.get(event.target.closest?.("[data-key]")?.dataset.key);
  }

  #open({ item }) {
    const group = item.folds ?? item.group?.id;
    if (group === undefined) this.#options.onOpen?.(item.node);
    else {
      if (item.folds) this.#folded.delete(group);
      else this.#folded.add(group);
      this.#current = `g:${group}`;
      this.#draw();
    }
  }

  #listen() {
    this.#content.addEventListener("click", (event) => {
      const found = this.#found(event);
      if (found && !this.#view.dragging) this.#open(found);
    });
    this.#content.addEventListener("focusin", (event) => {
      const found = this.#found(event);
      if (!found) return;
      this.#choose(found.item.key, false);
      if (event.target.matches(":focus-visible")) this.#view.reveal(found.item);
      this.#hover(found);
    });
    this.#content.addEventListener("focusout", () => this.#hover(null));
    this.#content.addEventListener("pointerover", (event) => this.#hover(this.#found(event)));
    this.#content.addEventListener("pointerleave", () => this.#hover(null));
    this.#svg.addEventListener("keydown", (event) => this.#key(event));
  }

  #hovered = null;
  #hover(found) {
    const task = found?.item.node && !found.item.folds ? found : null;
    if (task?.item.key === this.#hovered) return;
    this.#hovered = task?.item.key ?? null;
    this.#options.onHover?.(task?.item.node ?? null, task?.target ?? null);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { "+": () => this.#view.zoom(1.25), "=": () => this.#view.zoom(1.25), "-": () => this.#view.zoom(0.8), 0: () => this.#view.fit() };
    const found = this.#found(event);
    if (found && (event.key === "Enter" || event.key === " ")) this.#open(found);
    else if (found && ARROWS[event.key]) this.#go(found.item, ARROWS[event.key]);
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  }

  #go(from, [right, down]) {
    const middle = ({ item }) => ({ x: item.x, y: item.group ? item.y - item.height / 2 + 12 : item.y });
    const start = middle({ item: from });
    let [best, least] = ["", Infinity];
    for (const [key, found] of this.#elements) {
      const point = middle(found);
      const along = (point.x - start.x) * right + (point.y - start.y) * down;
      const aside = Math.abs((point.x - start.x) * down) + Math.abs((point.y - start.y) * right);
      const far = along + 2.5 * aside;
      if (along > 1 && far < least) [best, least] = [key, far];
    }
    if (best) this.#choose(best, true);
  }

  #controls() {
    const button = (text, label, onclick) => el("button", { type: "button", class: "btn btn-small dag-graph-button", "aria-label": label, title: label, onclick }, text);
    return el(
      "div", { class: "dag-graph-controls", role: "group", "aria-label": "View of the graph" },
      button("+", "Zoom in", () => this.#view.zoom(1.25)),
      button("−", "Zoom out", () => this.#view.zoom(0.8)),
      button("⤢", "Show all", () => this.#view.fit()),
    );
  }

  #markers() {
    return svg("defs", {}, ...MARKS.map((mark) => svg(
      "marker",
      { id: `${this.#prefix}-${mark}`, class: `dag-arrow ${mark && `change-${mark}`}`, viewBox: "0 0 10 10", refX: 1, refY: 5, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
      svg("path", { d: "M0 0 L10 5 L0 10 Z" }),
    )));
  }
}

/** Draw a graph into a container and return { update, fit, destroy }. */
export function drawGraph(container, graph, options = {}) {
  const drawing = new Drawing(container, graph, options);
  return { update: (next) => drawing.update(next), fit: () => drawing.fit(), destroy: () => drawing.destroy() };
}

const KEY = { added: "+ added", removed: "− removed", changed: "~ changed" };

/** What the marks mean, in a line to stand beside a graph. */
export const changeKey = () =>
  el("p", { class: "dag-key small" }, ...Object.entries(KEY).map(([change, text]) => el("span", { class: `dag-key-mark change-${change}` }, text)));
