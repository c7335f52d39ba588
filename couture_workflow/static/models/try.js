/* Try it: a form made from a signature, the request that it sends, its answer, and the lines to copy. */

import { ApiError, post } from "../common/api.js";
import { copyButtons } from "../common/copy.js";
import { el, freshId, icon, waiting } from "../common/dom.js";
import { curl, python } from "./lines.js";
import { milliseconds, shape } from "./words.js";

/* Numbers of an example that are written out, fields of a form, and characters of an answer that are shown. */
const MOST_NUMBERS = 4096;
const MOST_FIELDS = 100;
const MOST_SHOWN = 20000;

/** Whole numbers that JavaScript cannot hold stay as they were typed. */
const exact = (_key, value, context) =>
  typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

const isText = ({ dtype }) => /STRING$/i.test(dtype);
const zero = (tensor) => (isText(tensor) ? "" : /BOOL$/i.test(tensor.dtype) ? false : 0);
const sizesOf = ({ shape: sizes }) => (sizes ?? []).map((size) => Math.max(size < 0 ? 1 : size, 0));
const single = (tensor) => sizesOf(tensor).every((size) => size === 1);

/** A value for an input: one row of nothing. */
function example(tensor) {
  const sizes = sizesOf(tensor);
  if (sizes.reduce((all, size) => all * size, 1) > MOST_NUMBERS) return "";
  const fill = ([size, ...others]) => (size === undefined ? zero(tensor) : Array.from({ length: size }, () => fill(others)));
  return JSON.stringify(fill(sizes));
}

/** A plain value in as many brackets as the shape has sizes. */
const wrapped = (value, tensor) => sizesOf(tensor).reduce((inside) => [inside], value);

export class Try {
  #key = "";
  #fields = [];
  #model = null;

  constructor(box, path) {
    Object.assign(this, { box, path });
    this.form = box.querySelector("form");
    this.version = box.querySelector("#try-version");
    this.signature = box.querySelector("#try-signature");
    this.inputs = box.querySelector("#try-inputs");
    this.said = box.querySelector("#try-said");
    this.lines = box.querySelector("#try-lines");
    this.answer = box.querySelector("#try-answer");
    this.version.addEventListener("change", () => this.#signatures());
    this.signature.addEventListener("change", () => this.#draw());
    this.inputs.addEventListener("input", () => this.#tell());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    copyButtons(this.lines);
  }

  /** Offer what is served now; what was typed stays as long as that is the same. */
  show(model) {
    this.#model = model;
    const served = model.versions.filter(({ state, check }) => state === "serving" && check?.signatures);
    this.box.hidden = !served.length;
    const labels = Object.entries(model.labels).filter(([, version]) => served.some((each) => each.version === version)).sort().reverse();
    const offered = [...labels.map(([label, version]) => [`label:${label}`, `${label} (version ${version})`]), ...served.map(({ version }) => [`version:${version}`, `version ${version}`])];
    const key = JSON.stringify([offered, model.server?.url, served.map(({ version, check }) => [version, Object.keys(check.signatures)])]);
    if (key === this.#key) return;
    this.#key = key;
    const had = this.version.value;
    this.version.replaceChildren(...offered.map(([value, text]) => el("option", { value }, text)));
    this.version.value = offered.some(([value]) => value === had) ? had : (offered[0]?.[0] ?? "");
    if (offered.length) this.#signatures();
  }

  /* The version that is asked, be it by its label. */
  #asked() {
    const [how, which] = this.version.value.split(/:(.*)/s);
    const number = how === "label" ? this.#model.labels[which] : Number(which);
    return { how, which, number, version: this.#model.versions.find(({ version }) => version === number) };
  }

  #signatures() {
    const names = Object.keys(this.#asked().version?.check?.signatures ?? {});
    const had = this.signature.value;
    this.signature.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    const usual = names.includes("serving_default") ? "serving_default" : names[0];
    this.signature.value = names.includes(had) ? had : usual;
    this.#draw();
  }

  #draw() {
    const signature = this.#asked().version?.check?.signatures?.[this.signature.value];
    const inputs = Object.entries(signature?.inputs ?? {});
    const typed = new Map(this.#fields.map(({ name, tensor, control }) => [JSON.stringify([name, tensor]), control.value]));
    this.#fields = inputs.slice(0, MOST_FIELDS).map(([name, tensor]) => this.#field(name, tensor, typed.get(JSON.stringify([name, tensor]))));
    this.inputs.replaceChildren(...this.#fields.map(({ node }) => node));
    const many = inputs.length > MOST_FIELDS;
    this.form.querySelector("[type=submit]").disabled = many;
    this.said.textContent = many ? `This signature has ${inputs.length} inputs, too many for a form. Send a request with curl.` : "";
    this.answer.hidden = true;
    this.#tell();
  }

  #field(name, tensor, typed) {
    const id = freshId("try");
    const plain = single(tensor) && (tensor.shape ?? null) !== null;
    const control = el(plain ? "input" : "textarea", { id, class: "mono", spellcheck: "false", autocomplete: "off", "aria-describedby": `${id}-help ${id}-error` });
    control.value = typed ?? (plain ? String(zero(tensor)) : example(tensor));
    const error = el("span", { class: "field-error", id: `${id}-error` });
    const kind = String(tensor.dtype).replace(/^DT_/, "").toLowerCase();
    const help = `${kind}, shape ${shape(tensor.shape)}${plain ? "" : ", as JSON"}`;
    const node = el("div", { class: "field" }, el("label", { for: id, class: "break" }, name), control, el("span", { class: "help", id: `${id}-help` }, help), error);
    return { name, tensor, control, error, node, plain };
  }

  /* The value of a field, { problem } if it is none. */
  #value({ tensor, control, plain }) {
    const text = control.value;
    if (plain && isText(tensor)) return { value: wrapped(text, tensor) };
    try {
      const value = JSON.parse(text.trim(), exact);
      return { value: plain && !Array.isArray(value) ? wrapped(value, tensor) : value };
    } catch {
      return { problem: plain ? "Type a number, or true or false." : `Type JSON, such as ${example(tensor).slice(0, 60) || "[[0, 1], [2, 3]]"}.` };
    }
  }

  #request() {
    const inputs = Object.create(null);
    let wrong = null;
    for (const field of this.#fields) {
      const { value, problem = "" } = this.#value(field);
      field.error.textContent = problem;
      field.control.setAttribute("aria-invalid", String(Boolean(problem)));
      if (problem) wrong ??= field;
      else inputs[field.name] = value;
    }
    return { wrong, body: { signature_name: this.signature.value, inputs: { ...inputs } } };
  }

  /* The lines follow what is typed. */
  #tell() {
    const { wrong, body } = this.#request();
    const { server, served_as: name } = this.#model;
    const { how, which } = this.#asked();
    const place = how === "label" ? `labels/${encodeURIComponent(which)}` : `versions/${which}`;
    const url = `${server?.url ?? "http://127.0.0.1:8501"}/v1/models/${encodeURIComponent(name)}/${place}:predict`;
    const needs = { needsToken: Boolean(server?.needs_token) };
    const lines = wrong ? [] : [["curl", curl(url, body, needs)], ["Python", python(url, body, needs)]];
    this.lines.replaceChildren(
      ...lines.map(([title, text]) =>
        el(
          "div",
          {},
          el("div", { class: "bar" }, el("h3", { class: "grow" }, title), el("button", { type: "button", class: "btn btn-small", "data-copy": text, "aria-label": `Copy the lines for ${title}` }, icon("copy"), "Copy")),
          el("pre", { class: "code code-wrap", tabindex: 0, role: "region", "aria-label": `Lines for ${title}` }, text.slice(0, MOST_SHOWN)),
        ),
      ),
    );
  }

  async #send() {
    const { wrong, body } = this.#request();
    if (wrong) {
      wrong.control.focus();
      return;
    }
    await waiting(this.form.querySelector("[type=submit]"), () => this.#ask(body));
  }

  async #ask(body) {
    const { how, which, number } = this.#asked();
    this.said.textContent = "Sent, waiting for the answer…";
    try {
      const found = await post(this.path(`/versions/${number}/try`), how === "label" ? { ...body, label: which } : body);
      const good = found.status === 200;
      this.said.textContent = `${good ? "Answered" : `Refused with ${found.status}`} in ${milliseconds(found.milliseconds)}`;
      const text = good ? JSON.stringify(found.answer, null, 1) : (found.answer?.error ?? found.answer);
      this.#shown(typeof text === "string" ? text : JSON.stringify(text, null, 1), good);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.said.textContent = "";
      this.#shown(error.message, false);
    }
  }

  #shown(text, good) {
    const cut = text.length > MOST_SHOWN ? [el("p", { class: "muted" }, `The first ${MOST_SHOWN} of ${text.length} characters.`)] : [];
    this.answer.replaceChildren(good ? el("pre", { class: "code code-wrap" }, text.slice(0, MOST_SHOWN)) : el("p", { class: "alert alert-error break" }, text.slice(0, MOST_SHOWN)), ...cut);
    this.answer.hidden = false;
  }
}
