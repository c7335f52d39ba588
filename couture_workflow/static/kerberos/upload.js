/* The upload of a keytab: its principals are read from the file before anything is kept. */

import { ApiError, api, upload } from "../common/api.js";
import { confirm, notice } from "../common/dialog.js";
import { el, freshId } from "../common/dom.js";
import { Form, ready } from "../common/form.js";
import { addressOf, exists, renew } from "./keytabs.js";

const form = document.getElementById("upload");
const file = document.getElementById("keytab");
const name = document.getElementById("name");
const principals = document.getElementById("principals");
const choices = document.getElementById("principal-choices");
const kept = new Form({ fields: ["keytab", "name", "principal"], state: "upload-state" });

let looked = 0;

function told(error, field) {
  if (!(error instanceof ApiError)) throw error;
  if (!kept.wrong(error.field || field, error.message)) notice(error.message, "error");
}

const keysInWords = (keys) => keys.map(({ kvno, encryption, weak }) => `${encryption}${weak ? " (weak)" : ""}, version ${kvno}`).join("; ");

function choice({ principal, keys }, chosen) {
  const id = freshId("principal");
  const input = el("input", { type: "radio", name: "principal", id, value: principal, checked: chosen });
  return el(
    "div", {},
    el("label", { for: id }, input, " ", el("code", { class: "break" }, principal)),
    el("div", { class: "muted small break" }, keysInWords(keys)),
  );
}

/* A name that fits, from that of the file. */
const suggestion = (text) => text.replace(/\.(keytab|kt)$/i, "").replace(/[^\p{L}\p{N}._+-]+/gu, "-").replace(/^[^\p{L}\p{N}_]+|\.+$/gu, "");

async function look() {
  const turn = (looked += 1);
  kept.clear();
  choices.replaceChildren();
  principals.hidden = true;
  const [chosen] = file.files;
  if (!chosen) return;
  if (chosen.size > Number(form.dataset.limit)) {
    kept.wrong("keytab", `The file has ${chosen.size} bytes, and a keytab at most ${form.dataset.limit}. Choose another one.`);
    return;
  }
  kept.tell("Reading the file…");
  try {
    const found = await upload(api("/kerberos/keytabs/inspect"), chosen, () => {}, { method: "POST" });
    if (turn !== looked) return;
    choices.replaceChildren(...found.principals.map((each) => choice(each, found.principals.length === 1)));
    principals.hidden = false;
    if (!name.value) name.value = suggestion(chosen.name);
  } catch (error) {
    if (turn === looked) told(error, "keytab");
  } finally {
    if (turn === looked) kept.tell("");
  }
}

file.addEventListener("change", look);

async function send(chosen, principal) {
  const called = name.value.trim();
  if (await exists(called)) {
    const text = "Jobs that start from now on use the new one. The old one is gone for good.";
    if (!(await confirm({ title: `Replace the keytab ${called}?`, text, action: "Replace" }))) return;
  }
  const address = `${addressOf(called)}?${new URLSearchParams({ principal })}`;
  await upload(address, chosen);
  form.reset();
  await look();
  await renew();
  notice(`The keytab ${called} is kept. Test it.`);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  kept.clear();
  const [chosen] = file.files;
  const principal = form.querySelector("input[name=principal]:checked")?.value ?? "";
  if (!chosen) return void kept.wrong("keytab", "Choose a file.");
  if (!name.value.trim()) return void kept.wrong("name", "Give it a name.");
  if (!principal) return void kept.wrong("principal", "Choose a principal.");
  event.submitter.disabled = true;
  try {
    await send(chosen, principal);
  } catch (error) {
    told(error, "keytab");
  } finally {
    event.submitter.disabled = false;
  }
});

ready(form);
look(); // a file that the browser has kept over a reload
