/* What may be completed: the index of the installed packages and the names of this workbench, fetched when needed. */

import { get, page } from "../common/api.js";

const FRESH = 60_000; // names of connections and so on are asked for again after a minute, while somebody types them

let index = null;
let names = null;
let asked = 0;

/** The index of installed packages, with look-up tables; null if the server could not make it. */
export function loadIndex() {
  index ??= get(page("/dag-editor/completion")).then(prepare).catch(() => {
    index = null; // asked again with the next word
    return null;
  });
  return index;
}

/** Names of this workbench: connections, variables, pools, dags, artifacts, dependencies, modules. */
export function loadNames() {
  if (!names || Date.now() - asked > FRESH) {
    asked = Date.now();
    names = get(page("/dag-editor/names")).catch(() => {
      names = null;
      return {};
    });
  }
  return names;
}

function prepare(data) {
  const byName = new Map(); // name -> [{ module, kind, help }], the module that is best imported from first
  for (const [module, { names: list }] of Object.entries(data.modules)) {
    for (const [name, kind, help] of list) {
      const known = byName.get(name) ?? [];
      byName.set(name, [...known, { module, kind, help }]);
    }
  }
  return { ...data, byName };
}

const CHAINED = /\.(partial|expand|expand_kwargs|override|map)$/;

/**
 * What a call calls: { name, help, arguments } with the arguments of every task behind those of its own, or null.
 * `callee` as it stands in the text, `meanings` what names stand for in this file.
 */
export function callable(data, callee, meanings) {
  const [first, ...rest] = callee.replace(CHAINED, "").split(".");
  const meaning = meanings.get(first) ?? first;
  if (meaning === "airflow.sdk.task" || meaning === "airflow.decorators.task" || meaning === "task") {
    const found = data.decorators[rest[0] ?? "python"];
    return found ? full(data, ["task", ...rest].join("."), found) : null;
  }
  const whole = [meaning, ...rest].join(".");
  const name = whole.split(".").at(-1);
  const known = data.callables[whole];
  if (known) return full(data, name, known);
  // Imported from where it was in an older Airflow, or not imported yet.
  const other = data.byName.get(name)?.map(({ module }) => data.callables[`${module}.${name}`]).find(Boolean);
  return other && rest.length === 0 ? full(data, name, other) : null;
}

function full(data, name, { help, arguments: own, task }) {
  return { name, help, own, arguments: task ? [...own, ...data.base] : own, task };
}
