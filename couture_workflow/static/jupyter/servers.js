/* Jupyter Servers: the list, which is renewed by itself, and Stop. */

import { ApiError, api, del, get } from "../common/api.js";
import { attempt, confirm, notice } from "../common/dialog.js";
import { el, icon } from "../common/dom.js";
import { localTimes } from "../common/page.js";
import { bytes } from "../common/sizes.js";

const SERVERS = "/notebooks/servers/";
const EVERY = 5000;

const rows = document.getElementById("server-rows");
const problem = document.getElementById("servers-problem");

const when = (moment) => (moment ? el("time", { datetime: moment }, moment) : "not known");

function kernels({ kernels: open, busy }) {
  if (open === null) return "not known";
  return busy ? `${open}, ${busy} busy` : `${open}`;
}

/** What a server is called in the address that stops it: "mine" is the caller's own. */
const called = ({ account, number }) => encodeURIComponent(account === "mine" ? number : account);

async function stop(server) {
  const { account, busy } = server;
  const sure = await confirm({
    title: `Stop the Jupyter server of ${account}?`,
    text: `Its kernels end${busy ? `, ${busy} of which ${busy === 1 ? "runs" : "run"} a cell` : ""}. What is not saved is lost.`,
    action: "Stop",
    danger: true,
  });
  if (!sure) return;
  const done = await attempt(async () => {
    await del(api(SERVERS + called(server)));
    return true;
  });
  if (done) notice(`The Jupyter server of ${account} is stopped.`);
  await renew();
}

const row = (server) =>
  el(
    "tr", { "data-account": server.account },
    el("th", { scope: "row", class: "break" }, server.account),
    el("td", { class: "nowrap" }, when(server.since)),
    el("td", { class: "number nowrap" }, server.memory === null ? "not known" : bytes(server.memory)),
    el("td", { class: "number nowrap" }, kernels(server)),
    el("td", { class: "nowrap" }, when(server.last_activity)),
    el(
      "td", { class: "actions" },
      el(
        "button", { type: "button", class: "btn btn-small", "aria-label": `Stop the server of ${server.account}`, onclick: () => stop(server) },
        icon("close"), "Stop",
      ),
    ),
  );

/** Put the newest list in place of the old one, unless somebody is at work in it. */
async function renew() {
  let servers;
  try {
    ({ servers } = await get(api(SERVERS)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
    return;
  }
  problem.hidden = true;
  if (rows.contains(document.activeElement) && servers.length === rows.children.length) return;
  rows.replaceChildren(...servers.map(row));
  localTimes(rows);
  document.getElementById("servers").hidden = !servers.length;
  document.getElementById("no-servers").hidden = servers.length > 0;
}

async function follow() {
  if (!document.hidden) await renew();
  setTimeout(follow, EVERY);
}

follow();
