/* What is known of a name, as text beside a completion and under the mouse. */

import { hoverTooltip } from "../vendor/codemirror.js";
import { el } from "../common/dom.js";
import { callable, loadIndex } from "./index.js";
import { callAt, meanings, startsArgument, stringAt, inComment } from "./python.js";

const box = (...children) => el("div", { class: "code-help" }, ...children);
const sentence = (text) => (text ? el("p", {}, text[0].toUpperCase() + text.slice(1)) : null);

/** Help of something of which only a sentence is known; undefined if there is none. */
export const helpOfWord = (text) => (text ? () => box(sentence(text)) : undefined);

/** Help of a name: what it is and the arguments of its own. */
export const helpOf = (index, whole, text) => {
  const known = callable(index, whole, new Map());
  return known ? () => helpOfCallable(known) : helpOfWord(text);
};

export function helpOfArgument({ name, type, default: value, help, required }) {
  const sign = `${name}${type ? `: ${type}` : ""}${value && !required ? ` = ${value}` : ""}`;
  return box(el("code", {}, sign), sentence(help), required ? el("p", { class: "muted" }, "Must be given.") : null);
}

export function helpOfCallable({ name, help, own, task }) {
  const list = own.slice(0, 14).map(({ name: argument, type, required }) =>
    el("li", {}, el("code", {}, argument), type ? ` ${type}` : "", required ? " (must be given)" : ""),
  );
  if (own.length > list.length) list.push(el("li", {}, `and ${own.length - list.length} more`));
  if (task) list.push(el("li", { class: "muted" }, "and what every task takes, such as retries, pool, trigger_rule"));
  return box(el("code", {}, name), sentence(help), list.length ? el("ul", {}, ...list) : null);
}

/** Help under the mouse: for an argument, an operator, a function of Airflow. */
export const hover = () =>
  hoverTooltip(async (view, pos) => {
    const { state } = view;
    const range = state.wordAt(pos);
    if (!range || inComment(state, pos) || stringAt(state, pos)) return null;
    const index = await loadIndex();
    const node = index && find(state, index, range);
    return node ? { pos: range.from, end: range.to, above: true, create: () => ({ dom: node }) } : null;
  });

function find(state, index, { from, to }) {
  const word = state.sliceDoc(from, to);
  const known = meanings(state);
  const call = callAt(state, from);
  if (call && /^\s*=(?!=)/.test(state.sliceDoc(to, to + 20)) && startsArgument(state, from, call.list)) {
    const argument = callable(index, call.callee, known)?.arguments.find(({ name }) => name === word);
    return argument ? helpOfArgument(argument) : null;
  }
  const before = /[\w.]*$/.exec(state.sliceDoc(Math.max(from - 200, 0), from))[0];
  const first = (before + word).split(".")[0];
  if (!known.has(first)) return null; // a name of the file's own, whatever it is called
  const found = callable(index, before + word, known);
  return found ? helpOfCallable(found) : null;
}
