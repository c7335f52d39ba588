/* Builds ../../couture_workflow/static/vendor from the packages in package-lock.json. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../../couture_workflow/static/vendor");
const read = (...names) => readFileSync(join(here, ...names), "utf8");
const lock = JSON.parse(read("package-lock.json")).packages;

/* The pages' Content-Security-Policy forbids style elements made by scripts; constructed style sheets may be adopted.
   style-mod uses those in shadow roots alone. */
const adoptStyleSheets = {
  name: "adopt style sheets",
  setup(bundle) {
    bundle.onLoad({ filter: /style-mod\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source.replace("if (!root.head && root.adoptedStyleSheets", "if (root.adoptedStyleSheets");
      if (contents === source) throw new Error("style-mod has changed: adapt build.mjs");
      return { contents };
    });
  },
};

/** The packages whose code is in a bundle, and what those have bundled themselves. */
function packagesOf(metafile) {
  const found = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
      if (name && bytesInOutput > 0) found.add(name);
    }
  }
  if (found.has("@dagrejs/dagre")) found.add("@dagrejs/graphlib");
  return [...found].sort();
}

function licence(name) {
  const { version, license } = lock[`node_modules/${name}`];
  const file = readdirSync(join(here, "node_modules", name)).find((each) => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name} comes without the text of its licence`);
  return `${name} ${version} (${license})\n\n${read("node_modules", name, file).trim()}\n`;
}

/** A digest of everything that the result depends on; tests compare it with the files. */
function inputs() {
  const digest = createHash("sha256");
  for (const name of ["build.mjs", "codemirror.js", "dagre.js", "markdown.js", "package-lock.json", "package.json"]) {
    digest.update(`${name}\0`).update(read(name));
  }
  return digest.digest("hex").slice(0, 16);
}

mkdirSync(target, { recursive: true });
const all = new Set();
for (const name of ["codemirror", "dagre"]) {
  const options = {
    absWorkingDir: here,
    entryPoints: [`${name}.js`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    write: false,
    plugins: [adoptStyleSheets],
  };
  const { metafile, outputFiles } = await build(options);
  const packages = packagesOf(metafile);
  packages.forEach((each) => all.add(each));
  const versions = packages.map((each) => `${each}@${lock[`node_modules/${each}`].version}`).join(" ");
  const header = `/*! Built by tools/vendor (inputs ${inputs()}) from ${versions}; licences in LICENSES.txt */\n`;
  writeFileSync(join(target, `${name}.js`), header + outputFiles[0].text);
}
const rule = `\n${"-".repeat(80)}\n\n`;
const title = "The scripts in this folder hold code of these packages.\n";
writeFileSync(join(target, "LICENSES.txt"), [title, ...[...all].sort().map(licence)].join(rule));
