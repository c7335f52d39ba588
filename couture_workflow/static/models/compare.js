/* The table that compares the versions of a model by their metrics. */

import { el } from "../common/dom.js";
import { number } from "./words.js";

const MOST = 50;

let sort = { by: "", down: true };

/** Draw the table; hide it where no version has a metric. `model` is what the REST API says of the model. */
export function compare(box, model) {
  const measured = model.versions.filter(({ metrics }) => Object.keys(metrics ?? {}).length);
  box.hidden = !measured.length;
  if (box.hidden) return;
  const names = [...new Set(measured.flatMap(({ metrics }) => Object.keys(metrics)))].sort().slice(0, MOST);
  const choose = box.querySelector("#compare-with");
  const base = offered(choose, measured, model.labels);
  const redraw = () => compare(box, model);
  choose.onchange = redraw;
  const rows = [...measured];
  if (names.includes(sort.by)) rows.sort((one, other) => (sort.down ? -1 : 1) * ((one.metrics[sort.by] ?? -Infinity) - (other.metrics[sort.by] ?? -Infinity)));
  const place = box.querySelector("#compare-table");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.sort : null;
  place.replaceChildren(
    el(
      "table",
      { class: "table" },
      el("caption", { class: "visually-hidden" }, "Metrics of the versions"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Version"), ...names.map((name) => head(name, redraw)))),
      el(
        "tbody",
        {},
        ...rows.map((row) =>
          el("tr", {}, el("th", { scope: "row" }, String(row.version), ...marks(row.version, model.labels)), ...names.map((name) => cell(row, base, name))),
        ),
      ),
    ),
  );
  if (focused !== null) [...place.querySelectorAll("button")].find(({ dataset }) => dataset.sort === focused)?.focus();
}

const marks = (version, labels) =>
  Object.entries(labels).filter(([, each]) => each === version).map(([label]) => el("span", { class: "badge badge-info model-mark" }, label));

function offered(choose, measured, labels) {
  const had = choose.value || String(labels.stable ?? "");
  const numbers = measured.map(({ version }) => String(version));
  if ([...choose.options].map(({ value }) => value).join() !== numbers.join()) {
    choose.replaceChildren(...numbers.map((each) => el("option", { value: each }, `version ${each}`)));
    choose.value = numbers.includes(had) ? had : numbers[0];
  }
  return measured.find(({ version }) => String(version) === choose.value);
}

function head(name, redraw) {
  const order = sort.by === name ? (sort.down ? "descending" : "ascending") : null;
  const press = () => {
    sort = { by: name, down: sort.by === name ? !sort.down : true };
    redraw();
  };
  return el("th", { scope: "col", class: "number", "aria-sort": order }, el("button", { type: "button", class: "sort break", "data-sort": name, onclick: press }, name));
}

function cell(row, base, name) {
  const value = row.metrics[name];
  const difference = row === base || typeof value !== "number" ? NaN : value - base.metrics[name];
  const more = Number.isNaN(difference) ? "" : ` (${difference > 0 ? "+" : difference === 0 ? "±" : ""}${number(difference, 3)})`;
  return el("td", { class: "number nowrap" }, number(value), el("span", { class: "muted small" }, more));
}
