/* Kerberos Configuration: the krb5.conf with its remarks, reviewed before it is saved; keytabs beside it. */

import "./keytabs.js";
import "./upload.js";
import { api, post, put } from "../common/api.js";
import { codeBox } from "../common/code-box.js";
import { attempt } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { Form, ready } from "../common/form.js";
import { Question } from "../common/question.js";
import { review } from "../common/review.js";
import { showDifference } from "../review/text-difference.js";

const BADGES = { error: "badge-error", warning: "badge-warn", note: "badge-info" };

const form = document.getElementById("text");
const { saved, text, commit, changed } = JSON.parse(form.dataset.state);
const remarks = document.getElementById("remarks");
const kept = new Form({ fields: ["text"], state: "text-state" });

let message = "";

const box = codeBox(document.getElementById("text-box"), {
  text,
  label: "Text of krb5.conf",
  path: "krb5.conf",
  changed: () => {
    kept.changed();
    question.soon();
  },
});

const question = new Question({
  ask: () => post(api("/kerberos/krb5.conf/check"), { text: box.text() }),
  show: ({ remarks: found }) =>
    remarks.replaceChildren(
      ...found.map(({ level, message: words }) => el("li", { class: "break" }, el("span", { class: `badge ${BADGES[level]}` }, level), " ", words)),
    ),
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  kept.clear();
  const checked = await attempt(() => post(api("/kerberos/krb5.conf/check"), { text: box.text() }));
  if (!checked) return;
  question.show(checked);
  if (!checked.valid) {
    kept.tell("Not saved: correct the errors.");
    kept.wrong("text", checked.remarks[0].message);
    return;
  }
  const place = el("div");
  let difference;
  ({ message } = await review({
    title: "Review the change",
    content: [place],
    opened: () => (difference = showDifference(place, { path: "krb5.conf", old: saved, text: checked.text, names: ["Saved version", "Yours"] })),
    message,
    placeholder: "Why",
    save: async (why) => {
      await put(api("/kerberos/krb5.conf"), { text: checked.text, message: why }, { "If-Match": `"${commit ?? "none"}"` });
      kept.saved();
      window.location.assign(window.location.pathname);
    },
    explain: (error) =>
      error.code === "conflict" ? `${error.message} Copy your text, open the page again and paste what is yours.` : error.message,
  }));
  difference.destroy();
});

ready(form);
if (changed) kept.changed();
if (saved || changed) question.now();
