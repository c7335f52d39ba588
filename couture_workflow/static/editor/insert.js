/* Putting code into a file: at the cursor with the indentation that is right there, its imports at the top, once. */

import { EditorView } from "../vendor/codemirror.js";
import { imports } from "./python.js";

/**
 * Insert code and the imports that it needs, as one step that can be undone.
 * `text`: lines with the indentation that they have among each other.
 * `lines`: import statements, such as ["from airflow.sdk import DAG, task", "import datetime as dt"].
 * Returns { from, to }: where the text stands now.
 */
export function insertText(view, text, lines = []) {
  const { state } = view;
  const place = placeFor(state, text);
  const specs = [...importChanges(state, lines), place.change];
  const changes = state.changes(specs);
  const to = changes.mapPos(place.change.to, 1); // behind imports that go to the same place
  const start = to - place.change.insert.length + place.lead;
  view.dispatch({
    changes,
    selection: { anchor: to },
    effects: EditorView.scrollIntoView(to, { y: "center" }),
    userEvent: "input.paste",
  });
  view.focus();
  return { from: start, to };
}

/** Where the text goes: in place of an empty line, a lone `pass` or a selection, else on lines of its own below the cursor's. */
function placeFor(state, text) {
  const { from, to, empty } = state.selection.main;
  const line = state.doc.lineAt(from);
  const before = line.text.slice(0, from - line.from);
  const body = text.replace(/\r\n?/g, "\n").replace(/^\n+|\s+$/g, "");
  const placeholder = empty && /^\s*pass\s*$/.test(line.text); // the `pass` that holds a block open for what comes
  if (placeholder) {
    return { change: { from: line.from, to: line.to, insert: indented(body, /^\s*/.exec(line.text)[0]) }, lead: 0 };
  }
  if (!empty || !line.text.trim()) {
    const start = before.trim() ? from : line.from;
    const end = empty ? line.to : to;
    const insert = indented(body, before.trim() ? "" : /^\s*/.exec(line.text)[0], before.trim());
    return { change: { from: start, to: end, insert }, lead: 0 };
  }
  const margin = /^\s*/.exec(line.text)[0] + (/:\s*(#.*)?$/.test(line.text) ? "    " : "");
  const insert = `\n${indented(body, margin)}`;
  return { change: { from: line.to, to: line.to, insert }, lead: 1 };
}

const indented = (text, margin, inline = false) =>
  text
    .split("\n")
    .map((line, number) => (line.trim() && !(inline && number === 0) ? margin + line : line.trim() ? line : ""))
    .join("\n");

/** The changes that add what is missing of some import statements to a file. */
export function importChanges(state, lines) {
  const present = imports(state).filter((statement) => statement.top);
  const additions = new Map(); // position -> text
  const fresh = [];
  for (const wanted of lines.map(parse).filter(Boolean)) {
    const same = present.filter((statement) => statement.module === wanted.module);
    if (wanted.module !== null && same.some((statement) => statement.star)) continue;
    const known = new Set(same.flatMap((statement) => statement.names.map(key)));
    const missing = wanted.names.filter((name) => !known.has(key(name)));
    if (!missing.length) continue;
    const host = wanted.module !== null && wanted.module !== "__future__" ? same.find(({ names }) => names.length) : null;
    if (host) {
      const at = host.names.at(-1).to;
      additions.set(at, (additions.get(at) ?? "") + missing.map((name) => `, ${write(name)}`).join(""));
      // A second wanted line of the same module must not add the same name again.
      host.names.push(...missing.map((name) => ({ ...name, to: at })));
    } else add(fresh, wanted.module, missing);
  }
  return [...[...additions].map(([from, insert]) => ({ from, insert })), ...freshChanges(state, present, fresh)];
}

function add(fresh, module, names) {
  const same = module === null ? null : fresh.find((statement) => statement.module === module);
  const known = new Set(same?.names.map(key));
  if (same) same.names.push(...names.filter((name) => !known.has(key(name))));
  else if (module === null) {
    const all = new Set(fresh.filter((statement) => statement.module === null).flatMap(({ names: list }) => list.map(key)));
    for (const name of names.filter((each) => !all.has(key(each)))) fresh.push({ module, names: [name] });
  } else fresh.push({ module, names: [...names] });
}

function freshChanges(state, present, fresh) {
  const line = ({ module, names }) =>
    module === null ? `import ${names.map(write).join(", ")}` : `from ${module} import ${names.map(write).join(", ")}`;
  const future = fresh.filter(({ module }) => module === "__future__").map(line);
  const others = fresh.filter(({ module }) => module !== "__future__").map(line);
  const changes = [];
  const start = afterDocstring(state);
  const blank = (from) => (state.doc.sliceString(from, from + 1) === "\n" ? "" : "\n");
  const lastFuture = present.filter(({ module }) => module === "__future__").at(-1);
  const last = present.at(-1);
  if (future.length) {
    const text = future.join("\n");
    if (lastFuture) changes.push({ from: lastFuture.to, insert: `\n${text}` });
    else changes.push({ from: start.from, insert: `${start.lead}${text}\n${present.length || others.length ? "\n" : blank(start.from)}` });
  }
  if (others.length) {
    const text = others.join("\n");
    if (last) changes.push({ from: last.to, insert: `${last === lastFuture ? "\n" : ""}\n${text}` });
    else changes.push({ from: start.from, insert: `${future.length ? "" : start.lead}${text}\n${blank(start.from)}` });
  }
  return changes;
}

/** Where the first import of a file goes: behind comments at the top and the docstring. */
function afterDocstring(state) {
  const text = state.sliceDoc(0, 20_000);
  const head = /^(?:[ \t]*(?:#[^\n]*)?\n)*(?:[rRuU]?(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n]*"|'[^'\n]*')[ \t]*(?:\n|$))?/.exec(text)[0];
  // Blank lines and comments alone are no docstring: the import goes above blank lines, below the comments.
  const isDocstring = /["'][ \t]*\n?$/.test(head);
  const kept = isDocstring ? head : /^(?:#[^\n]*\n)*/.exec(text)[0];
  const open = kept.length > 0 && !kept.endsWith("\n");
  return { from: state.doc.sliceString(0, kept.length).length, lead: open ? "\n\n" : kept ? "\n" : "" };
}

const key = ({ name, alias }) => `${name} as ${alias || name}`;
const write = ({ name, alias }) => (alias && alias !== name ? `${name} as ${alias}` : name);

function parse(line) {
  const from = /^\s*from\s+(\S+)\s+import\s+\(?([^()#]*)\)?/.exec(line);
  const plain = /^\s*import\s+([^#]+)/.exec(line);
  if (!from && !plain) return null;
  const names = (from ? from[2] : plain[1])
    .split(",")
    .map((part) => /^\s*([\w.*]+)(?:\s+as\s+(\w+))?\s*$/.exec(part))
    .filter(Boolean)
    .map(([, name, alias = ""]) => ({ name, alias }));
  return { module: from ? from[1] : null, names };
}
