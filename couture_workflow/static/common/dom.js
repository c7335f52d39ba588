/* Building nodes without HTML strings. */

/** el("button", { class: "btn", type: "button", onclick: f }, "Text", node): false and null leave an attribute out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
const sprite = new URL("../icons.svg", import.meta.url).pathname;

/** A symbol of icons.svg. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows a symbol alone; the label is for everybody who cannot see it, and the tooltip. */
export const iconButton = (name, label, onclick, more = "") =>
  el("button", { type: "button", class: `btn btn-icon ${more}`, "aria-label": label, title: label, onclick }, icon(name));

/** Do some work while a button waits. A button that waits loses the focus: it has it again, unless it went elsewhere. */
export async function waiting(button, work) {
  const focused = document.activeElement === button;
  button.disabled = true;
  try {
    return await work();
  } finally {
    button.disabled = false;
    if (focused && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
}

let numbers = 0;
/** An id that no other node has. */
export const freshId = (prefix) => `${prefix}-${(numbers += 1)}`;
