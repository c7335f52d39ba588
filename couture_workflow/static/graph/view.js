/* Moving about in a DAG's graph: drag, wheel with Ctrl, two fingers, buttons and keys. */

const [SMALLEST, LARGEST] = [0.04, 2.5];
const MARGIN = 20;

/**
 * Let an <svg> show its <g> `content` moved and scaled; `size()` is the size of what is drawn.
 * `moved` tells whether a person has chosen the view, which then is kept.
 */
export class View {
  moved = false;
  dragging = false;
  #svg;
  #content;
  #size;
  #place = { x: 0, y: 0, scale: 1 };
  #fingers = new Map();
  #start = null;

  constructor(svg, content, size) {
    this.#svg = svg;
    this.#content = content;
    this.#size = size;
    svg.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.#down(event));
    svg.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.#up(event));
  }

  /** Show all of it, never larger than life. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    const size = this.#size();
    if (!width || !height || !size.width) return;
    const scale = Math.min((width - 2 * MARGIN) / size.width, (height - 2 * MARGIN) / size.height, 1);
    this.#set({ x: (width - size.width * scale) / 2, y: (height - size.height * scale) / 2, scale: Math.max(scale, SMALLEST) });
    this.moved = false;
  }

  /** Make it larger or smaller around a point of the <svg>, by default its middle. */
  zoom(factor, point = { x: this.#svg.clientWidth / 2, y: this.#svg.clientHeight / 2 }) {
    const { x, y, scale } = this.#place;
    const next = Math.max(SMALLEST, Math.min(LARGEST, scale * factor));
    this.#set({ x: point.x - ((point.x - x) * next) / scale, y: point.y - ((point.y - y) * next) / scale, scale: next });
    this.moved = true;
  }

  pan(x, y) {
    this.#set({ ...this.#place, x: this.#place.x + x, y: this.#place.y + y });
    this.moved = true;
  }

  /** Move as little as it takes to see a box. */
  reveal(box) {
    const { x, y, scale } = this.#place;
    const shift = (from, to, room) => (from < MARGIN ? MARGIN - from : Math.min(0, room - MARGIN - to));
    const across = shift(x + (box.x - box.width / 2) * scale, x + (box.x + box.width / 2) * scale, this.#svg.clientWidth);
    const down = shift(y + (box.y - box.height / 2) * scale, y + (box.y + box.height / 2) * scale, this.#svg.clientHeight);
    if (across || down) this.pan(across, down);
  }

  #set(place) {
    this.#place = place;
    this.#content.setAttribute("transform", `translate(${place.x} ${place.y}) scale(${place.scale})`);
  }

  #point(event) {
    const frame = this.#svg.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    this.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 100), this.#point(event));
  }

  #down(event) {
    if (event.button) return;
    this.#fingers.set(event.pointerId, this.#point(event));
    this.#start = this.#point(event);
    this.dragging = false;
  }

  #move(event) {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    const now = this.#point(event);
    if (!this.dragging && Math.hypot(now.x - this.#start.x, now.y - this.#start.y) < 4) return;
    if (!this.dragging) this.#svg.setPointerCapture(event.pointerId); // not at once: a click would lose its target
    this.dragging = true;
    const other = [...this.#fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const span = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
      this.zoom(span(now) / span(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else this.pan(now.x - before.x, now.y - before.y);
    this.#fingers.set(event.pointerId, now);
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    // The click that follows a drag is not meant for the node under it.
    if (this.dragging) setTimeout(() => (this.dragging = false));
  }
}
