/* What Spark knows of its names: suggestions, kinds and texts; fetched when the first field is entered. */

import { get, page } from "../common/api.js";
import { matching } from "../common/combobox.js";

const EMPTY = { arguments: new Map(), configurations: new Map() };
let known = EMPTY;
let loading = null;

const byName = (options) => new Map(options.map((option) => [option.name, option]));

/** Fetch once; without an answer there are no suggestions, and the next call tries again. */
export function loadOptions() {
  loading ??= get(page("/spark-configuration/options")).then(
    (answer) => {
      known = { arguments: byName(answer.arguments), configurations: byName(answer.configurations) };
    },
    () => {
      loading = null;
    },
  );
  return loading;
}

/** Arguments that are set elsewhere are not suggested; the server says where. */
const ELSEWHERE = new Set([
  "class", "conf", "name", "jars", "py-files", "properties-file", "extra-properties-file",
  "help", "kill", "status", "usage-error", "version", "driver-default-class-path",
]);

const note = (option) => (option.default ? `default ${option.default}` : "");

export async function suggestNames(section, text, taken) {
  await loadOptions();
  const free = [...known[section].values()].filter(
    ({ name }) => !taken.has(name) && !(section === "arguments" && ELSEWHERE.has(name)),
  );
  const wanted = section === "arguments" ? text.replace(/^-+/, "") : text;
  return matching(free, wanted, (option) => option.name).map((option) => ({
    value: option.name, detail: option.doc, note: note(option),
  }));
}

const choices = (option) => {
  if (option?.kind === "boolean" || option?.kind === "flag") return ["true", "false"];
  if (option?.name === "deploy-mode") return ["client", "cluster"];
  return option?.choices ?? [];
};

export async function suggestValues(section, name, text) {
  await loadOptions();
  const values = choices(known[section].get(name)).map((value) => ({ value }));
  return values.some(({ value }) => value === text) ? values : matching(values, text);
}

/** One line on a name: what it does, its default, since when. */
export function describe(section, name) {
  const option = known[section].get(name);
  if (!option) return "";
  const facts = [
    option.default && !/\(default/i.test(option.doc ?? "") ? `Default ${option.default}.` : "",
    option.version ? `Since Spark ${option.version}.` : "",
    option.configuration ? `Same as ${option.configuration}.` : "",
  ];
  return [option.doc, ...facts].filter(Boolean).join(" ");
}
