/* Completion in the DAG editor. Each source answers for one kind of place and is silent elsewhere. */

import { EditorState, completeAnyWord, pickedCompletion, pythonLanguage, syntaxTree } from "../vendor/codemirror.js";
import { helpOf, helpOfArgument, helpOfWord } from "./help.js";
import { callable, loadIndex, loadNames } from "./index.js";
import { importChanges } from "./insert.js";
import { callAt, imports, inComment, meanings, startsArgument, stringAt } from "./python.js";

const WORD = /^\w*$/;

/** The statement that a position is in, up to there, if it begins like an import. */
function importBefore(state, pos) {
  const statement = imports(state).find(({ from, to }) => from <= pos && pos <= to);
  const line = state.doc.lineAt(pos);
  const text = state.sliceDoc(statement ? statement.from : line.from, pos);
  return /^\s*(?:from|import)\s/.test(text) ? text : "";
}

async function importSource(context) {
  const text = importBefore(context.state, context.pos);
  if (!text) return null;
  const module = /^\s*(?:from|import)\s+([\w.]*)$/.exec(text);
  const name = /^\s*from\s+([\w.]+)\s+import\s+\(?(?:[\s\w,]*[,\s])?(\w*)$/.exec(text);
  if (!module && !name) return null;
  const [index, names] = await Promise.all([loadIndex(), loadNames()]);
  if (module) {
    const from = context.pos - module[1].length;
    return { from, options: moduleOptions(index, names), validFor: /^[\w.]*$/ };
  }
  return { from: context.pos - name[2].length, options: nameOptions(index, names, name[1]), validFor: WORD };
}

function moduleOptions(index, names) {
  const own = Object.keys(names.modules ?? {});
  const installed = Object.entries(index?.modules ?? {});
  const top = (index?.top ?? []).filter((name) => !index.modules[name]);
  return [
    ...own.map((label) => ({ label, type: "namespace", detail: "DAG repository", boost: 3 })),
    ...installed.map(([label, { help }]) => ({
      label, type: "namespace", info: helpOfWord(help), boost: /^(couture_workflow|airflow\.sdk$)/.test(label) ? 5 : 2,
    })),
    ...top.map((label) => ({ label, type: "namespace" })),
  ];
}

function nameOptions(index, names, module) {
  const known = index?.modules[module]?.names ?? [];
  const own = names.modules?.[module] ?? [];
  const parts = [...Object.keys(index?.modules ?? {}), ...Object.keys(names.modules ?? {})]
    .filter((each) => each.startsWith(`${module}.`))
    .map((each) => each.slice(module.length + 1).split(".")[0]);
  return [
    ...known.map(([label, type, help]) => ({ label, type, info: helpOfWord(help) })),
    ...own.map((label) => ({ label, type: "variable" })),
    ...[...new Set(parts)].map((label) => ({ label, type: "namespace" })),
  ];
}

/** Names of arguments in a call that we know. */
async function argumentSource(context) {
  const { state, pos } = context;
  const word = context.matchBefore(/\w*/);
  const call = callAt(state, pos);
  if (!call || !startsArgument(state, word.from, call.list)) return null;
  if (word.from === word.to && !context.explicit && !/[(,]\s*$/.test(state.sliceDoc(call.list.from, pos))) return null;
  const index = await loadIndex();
  const known = index && callable(index, call.callee, meanings(state));
  if (!known) return null;
  const isAssigned = /^\s*=(?!=)/.test(state.sliceDoc(pos, pos + 20));
  const options = known.arguments
    .filter(({ name }) => !call.given.has(name))
    .map((argument, number) => ({
      label: argument.name,
      apply: isAssigned ? argument.name : `${argument.name}=`,
      type: "property",
      detail: short(argument.type),
      info: () => helpOfArgument(argument),
      boost: Math.max(99 - number, argument.required ? 98 : 0) - (number < known.own.length || argument.required ? 0 : 60),
    }));
  return { from: word.from, options, validFor: WORD };
}

const short = (text) => (text.length > 32 ? `${text.slice(0, 31)}…` : text); // the whole stands in the help beside it

const BY_ARGUMENT = [
  [/(^|_)conn(ection)?_id$/, "connections", "connection"],
  [/^pool$/, "pools", "pool"],
  [/^(run_dag_id|trigger_dag_id|external_dag_id|dag_id)$/, "dags", "DAG"],
  [/^(code_artifact|application|notebook)$/, "artifacts", "code artifact"],
  [/^(jars|py_files)$/, "dependencies", "dependency"],
];

/** What may stand in a string: names of this workbench, trigger rules, template variables. */
async function stringSource(context) {
  const string = stringAt(context.state, context.pos);
  if (!string || inTemplate(string.text)) return null;
  const { argument, call, first } = string;
  const result = (options) => options.length && { from: string.from, to: context.pos, options, validFor: /^[^"'\\\n]*$/ };
  if (argument === "trigger_rule" || argument === "weight_rule") {
    const index = await loadIndex();
    return result((index?.values[argument] ?? []).map((label) => ({ label, type: "enum" }))) || null;
  }
  const kind = kindOf(argument, call, first);
  if (!kind || (kind[0] === "dags" && argument === "dag_id" && call && /(^|\.)(DAG|dag)$/.test(call.callee))) return null;
  const names = await loadNames();
  return result((names[kind[0]] ?? []).map((label) => ({ label, type: "constant", detail: kind[1] }))) || null;
}

function kindOf(argument, call, first) {
  if (call && first && !argument) {
    if (/(^|\.)Variable\.(get|set|delete)$/.test(call.callee)) return ["variables", "variable"];
    if (/(^|\.)Connection\.get$|(^|\.)get_connection$/.test(call.callee)) return ["connections", "connection"];
  }
  if (call && /(^|\.)Variable\.(get|set|delete)$/.test(call.callee) && argument === "key") return ["variables", "variable"];
  const found = BY_ARGUMENT.find(([pattern]) => pattern.test(argument));
  return found ? found.slice(1) : null;
}

const TEMPLATE = /\{\{(?:(?!\}\}).)*$|\{%(?:(?!%\}).)*$/s;
const inTemplate = (text) => TEMPLATE.test(text);

/** Names in templates, in strings of Python and in files of SQL, YAML and so on. */
async function templateSource(context) {
  const { state, pos } = context;
  const isPython = syntaxTree(state).type === pythonLanguage.parser.topNode;
  const string = isPython ? stringAt(state, pos) : { text: state.sliceDoc(state.doc.lineAt(pos).from, pos) };
  if (!string || !inTemplate(string.text)) return null;
  const word = context.matchBefore(/[\w.]*/);
  if (word.from === word.to && !context.explicit && !/(\{\{|\{%)\s*$/.test(string.text)) return null;
  const typed = state.sliceDoc(word.from, word.to);
  const [index, names] = await Promise.all([loadIndex(), loadNames()]);
  const options = (index?.jinja ?? []).map(([label, type]) => ({ label, type: "variable", detail: type }));
  if (/^(var|conn)\./.test(typed)) {
    for (const label of names.variables ?? []) options.push({ label: `var.value.${label}`, type: "variable" });
    for (const label of names.connections ?? []) options.push({ label: `conn.${label}`, type: "variable" });
  } else {
    options.push({ label: "var.value.", type: "variable", detail: "Variable" }, { label: "params.", type: "variable" });
  }
  return { from: word.from, options, validFor: /^[\w.]*$/ };
}

/** What stands behind a dot: decorators of tasks, names of modules, words that stand behind dots elsewhere. */
async function memberSource(context) {
  const { state, pos } = context;
  const found = context.matchBefore(/[A-Za-z_][\w.]*\.\w*/);
  if (!found || importBefore(state, pos) || stringAt(state, pos) || inComment(state, pos)) return null;
  const dot = found.text.lastIndexOf(".");
  const object = found.text.slice(0, dot);
  const index = await loadIndex();
  const meaning = meanings(state).get(object.split(".")[0]) ?? object;
  let options;
  if (index && /^(airflow\.(sdk|decorators)\.)?task$/.test(meaning) && !object.includes(".")) {
    options = Object.entries(index.decorators).map(([label, { help }]) => ({ label, type: "function", info: helpOfWord(help) }));
  } else {
    const module = [meaning, ...object.split(".").slice(1)].join(".");
    if (index?.modules[module]) options = nameOptions(index, {}, module);
  }
  options ??= behindDots(state, pos);
  return { from: found.from + dot + 1, options, validFor: WORD };
}

function behindDots(state, pos) {
  const words = new Set();
  const text = state.sliceDoc(0, 200_000);
  for (const match of text.matchAll(/\.([A-Za-z_]\w*)/g)) {
    if (match.index + match[0].length !== pos) words.add(match[1]);
  }
  return [...words].map((label) => ({ label, type: "property" }));
}

/** Names that can be imported; taking one adds the import. */
async function nameSource(context) {
  const { state, pos } = context;
  const word = context.matchBefore(/[A-Za-z_]\w*/);
  if (!word || (word.to - word.from < 2 && !context.explicit) || importBefore(state, pos)) return null;
  if (stringAt(state, pos) || inComment(state, pos) || state.sliceDoc(word.from - 1, word.from) === ".") return null;
  const index = await loadIndex();
  if (!index) return null;
  const known = meanings(state);
  const options = [];
  for (const [name, places] of index.byName) {
    const [{ module, kind, help }] = places;
    if (kind === "constant") continue;
    if (known.has(name)) options.push({ label: name, type: kind, boost: 10, info: helpOf(index, known.get(name), help) });
    else if (/^(airflow|couture_workflow)\./.test(module)) {
      options.push({
        label: name, type: kind, detail: module, apply: importing(module, name), info: helpOf(index, `${module}.${name}`, help),
        boost: /^(couture_workflow|airflow\.sdk$)|\.(operators|sensors)\./.test(module) ? 5 : -20,
      });
    }
  }
  return { from: word.from, options, validFor: WORD };
}

const importing = (module, name) => (view, completion, from, to) => {
  const added = importChanges(view.state, [`from ${module} import ${name}`]);
  const changes = view.state.changes([...added, { from, to, insert: name }]);
  view.dispatch({
    changes,
    selection: { anchor: changes.mapPos(to, 1) },
    annotations: pickedCompletion.of(completion),
    userEvent: "input.complete",
    scrollIntoView: true,
  });
};

const onlyPython = (source) => (context) =>
  syntaxTree(context.state).type === pythonLanguage.parser.topNode ? source(context) : null;

/** Words of the text, where nothing better is known. */
const words = (context) =>
  syntaxTree(context.state).type !== pythonLanguage.parser.topNode || inComment(context.state, context.pos)
    ? completeAnyWord(context)
    : null;

const SOURCES = [
  templateSource, words, ...[importSource, argumentSource, stringSource, memberSource, nameSource].map(onlyPython),
].map((autocomplete) => ({ autocomplete }));

/** The extension. Python's own names (locals, builtins, snippets) come from its language. */
export const completion = () => EditorState.languageData.of(() => SOURCES);
