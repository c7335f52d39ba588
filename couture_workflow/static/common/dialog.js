/* Questions and notices. The frame's sandbox blocks confirm(), alert() and prompt(): these stand in for them. */

import { ApiError } from "./api.js";

const element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

/**
 * Ask; resolves to true or false.
 * confirm({ title, text, details = [], action = "Continue", danger = false })
 */
export function confirm({ title, text = "", details = [], action = "Continue", danger = false }) {
  const cancel = element("button", { type: "button", class: "btn" }, "Cancel");
  const ok = element("button", { type: "button", class: `btn ${danger ? "btn-danger" : "btn-primary"}` }, action);
  const dialog = element(
    "dialog",
    { class: "dialog", "aria-label": title },
    element("h2", {}, title),
    ...(text ? [element("p", {}, text)] : []),
    ...(details.length ? [element("ul", {}, ...details.map((line) => element("li", {}, line)))] : []),
    element("div", { class: "dialog-actions" }, cancel, ok),
  );
  document.body.append(dialog);
  return new Promise((resolve) => {
    const close = (answer) => () => {
      dialog.returnValue = answer;
      dialog.close(answer);
    };
    cancel.addEventListener("click", close(""));
    ok.addEventListener("click", close("yes"));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
    (danger ? cancel : ok).focus();
  });
}

/** A dialog with a title; resolves to the value of the button that closed it, "" if it was cancelled. */
export function ask({ title, content, buttons, focus }) {
  const dialog = element("dialog", { class: "dialog dialog-wide", "aria-label": title });
  const button = ({ label, value = "", look = "" }) => {
    const node = element("button", { type: value ? "submit" : "button", class: `btn ${look}` }, label);
    node.addEventListener("click", () => dialog.close(value));
    return node;
  };
  const actions = element("div", { class: "dialog-actions" }, ...buttons.map(button));
  const form = element("form", { method: "dialog", class: "stack" }, ...content, actions);
  form.addEventListener("submit", (event) => {
    event.preventDefault(); // Enter in a field is the last button, as the click is
    if (dialog.open && !event.submitter) dialog.close(buttons.at(-1).value);
  });
  dialog.append(element("h2", {}, title), form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
    (focus ?? form.querySelector(".btn-primary"))?.focus();
  });
}

/** Tell something: kind is "ok", "error" or "info". Errors stay until they are closed, and what is to stay. */
export function notice(text, kind = "ok", { stays = kind === "error" } = {}) {
  const close = element("button", { type: "button", class: "btn btn-icon", "aria-label": "Close this message" }, "×");
  const box = element("div", { class: `alert alert-${kind}` }, element("span", { class: "grow" }, text), close);
  close.addEventListener("click", () => box.remove());
  document.getElementById("notices").append(box);
  if (!stays) setTimeout(() => box.remove(), 6000);
  return box;
}

/**
 * Do some work that calls the server; resolves to what it gives, to null once a refusal was told.
 * `told(error)` may tell it elsewhere: true if it did.
 */
export async function attempt(work, told = () => false) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!told(error)) notice(error.message, "error");
    return null;
  }
}
