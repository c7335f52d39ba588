/* What stands where in Python code, read from CodeMirror's syntax tree: calls, arguments, strings, imports. */

import { syntaxTree } from "../vendor/codemirror.js";

const cache = new WeakMap();

/**
 * The import statements of a document, in order:
 * [{ from, to, top, module (null for "import x"), names: [{ name, alias, to }], star }]
 */
export function imports(state) {
  const tree = syntaxTree(state);
  const known = cache.get(tree);
  if (known) return known;
  const found = [];
  tree.iterate({
    enter(node) {
      if (node.name === "ImportStatement") {
        const read = readImport(state, node.node);
        if (read) found.push({ ...read, from: node.from, to: node.to, top: node.node.parent?.name === "Script" });
        return false;
      }
      return !["CallExpression", "String", "ArgList"].includes(node.name);
    },
  });
  cache.set(tree, found);
  return found;
}

function readImport(state, node) {
  const text = (child) => state.sliceDoc(child.from, child.to);
  let module = null;
  let part = "";
  let star = false;
  const names = [];
  for (let child = node.firstChild; child; child = child.nextSibling) {
    const word = text(child);
    if (word === "from" || word === "import" || word === "as") {
      if (word === "import" && part === "from") module ??= "";
      part = word;
    } else if (part === "from") module = (module ?? "") + word;
    else if (child.name === "VariableName" && part === "as") {
      Object.assign(names.at(-1) ?? {}, { alias: word, to: child.to });
      part = "import";
    } else if (child.name === "VariableName") {
      const last = names.at(-1);
      if (last?.open) Object.assign(last, { name: `${last.name}.${word}`, to: child.to, open: false });
      else names.push({ name: word, alias: "", to: child.to, open: false });
    } else if (word === "." && part === "import" && names.length) names.at(-1).open = true;
    else if (word === "*") star = true;
  }
  return { module, names, star };
}

/** Name in this file -> what it stands for, such as { BashOperator: "airflow....bash.BashOperator" }. */
export function meanings(state) {
  const found = new Map();
  for (const { module, names } of imports(state)) {
    for (const { name, alias } of names) {
      if (module !== null) found.set(alias || name, `${module}.${name}`);
      else found.set(alias || name.split(".")[0], alias ? name : name.split(".")[0]);
    }
  }
  return found;
}

/** The innermost call around a position: { callee, list, args: Set of names given, decorator } or null. */
export function callAt(state, pos) {
  let node = syntaxTree(state).resolveInner(pos, -1);
  for (; node; node = node.parent) {
    if (node.name === "ArgList" && pos > node.from && (pos < node.to || !closed(state, node))) return callOf(state, node);
    if (node.name === "Body" || node.name === "Script") return null;
  }
  return null;
}

const closed = (state, list) => state.sliceDoc(list.to - 1, list.to) === ")";

function callOf(state, list) {
  const owner = list.parent;
  if (owner.name !== "CallExpression" && owner.name !== "Decorator") return null; // the bases of a class
  const start = owner.name === "Decorator" ? owner.from + 1 : owner.from;
  const given = new Set();
  for (let child = list.firstChild; child; child = child.nextSibling) {
    if (child.name === "AssignOp" && child.prevSibling?.name === "VariableName") {
      given.add(state.sliceDoc(child.prevSibling.from, child.prevSibling.to));
    }
  }
  const callee = state.sliceDoc(start, list.from).replace(/\s+/g, "");
  return { callee, list, given, decorator: owner.name === "Decorator" };
}

/** Tell whether the word that ends at a position could be the name of an argument of a call. */
export function startsArgument(state, from, list) {
  const before = state.sliceDoc(list.from, from).replace(/#.*$/gm, "").trimEnd();
  return /[(,]$/.test(before) && depth(before) === 1;
}

function depth(text) {
  let open = 0;
  for (const sign of text.replace(/"[^"\n]*"|'[^'\n]*'/g, "")) {
    if ("([{".includes(sign)) open += 1;
    else if (")]}".includes(sign)) open -= 1;
  }
  return open;
}

/** The string around a position: { from (behind the quote), text before the position, argument, call } or null. */
export function stringAt(state, pos) {
  let node = syntaxTree(state).resolveInner(pos, -1);
  while (node && !/^(Format)?String$/.test(node.name)) node = node.parent;
  if (!node) return null;
  const quote = /^[a-z]{0,2}("""|'''|"|')/i.exec(state.sliceDoc(node.from, Math.min(node.from + 5, node.to)));
  if (!quote) return null;
  const from = node.from + quote[0].length;
  const end = node.to - quote[1].length;
  const isClosed = node.to - node.from >= quote[0].length + quote[1].length && state.sliceDoc(end, node.to) === quote[1];
  if (pos < from || (isClosed && pos > end)) return null;
  return { from, to: isClosed ? end : node.to, text: state.sliceDoc(from, pos), ...argumentOf(state, node) };
}

/** Which argument of which call a node belongs to, through lists and the like. */
function argumentOf(state, node) {
  for (let child = node; child.parent; child = child.parent) {
    if (child.parent.name === "ArgList") {
      const sign = child.prevSibling;
      const named = sign?.name === "AssignOp" && sign.prevSibling?.name === "VariableName";
      const argument = named ? state.sliceDoc(sign.prevSibling.from, sign.prevSibling.to) : "";
      return { argument, first: sign?.name === "(", call: callOf(state, child.parent) };
    }
    if (!/Expression|String|Parenthesized/.test(child.parent.name)) break;
  }
  return { argument: "", first: false, call: null };
}

/** Tell whether a position is in a comment. */
export const inComment = (state, pos) => syntaxTree(state).resolveInner(pos, -1).name === "Comment";
