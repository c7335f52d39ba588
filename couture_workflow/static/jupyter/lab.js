/* Jupyter Notebook: starts the person's server, says what it waits for, then shows JupyterLab. */

import { ApiError, api, get, post } from "../common/api.js";

const MINE = "/notebooks/servers/mine";
const EVERY = 400;
const AT_FIRST = "Asking for your server.";

const lab = document.getElementById("lab");
const frame = document.getElementById("lab-frame");
const waiting = document.getElementById("lab-wait");
const problem = document.getElementById("lab-problem");

const pause = () => new Promise((resolve) => setTimeout(resolve, EVERY));

/** Start the server and wait until it is ready. */
async function started() {
  let now = await post(api(MINE));
  while (now.state !== "ready") {
    if (now.state === "stopped") throw new ApiError(503, { detail: "Your server has ended before it was ready. Try again." });
    document.getElementById("lab-waits").textContent = now.waits_for || AT_FIRST;
    await pause();
    now = await get(api(MINE));
  }
}

/** Show JupyterLab in the frame, or go there. */
function show() {
  if (!frame) {
    location.replace(lab.dataset.goal);
    return;
  }
  waiting.hidden = true;
  frame.hidden = false;
  frame.src = lab.dataset.address;
}

async function open() {
  problem.hidden = true;
  waiting.hidden = false;
  document.getElementById("lab-waits").textContent = AT_FIRST;
  try {
    await started();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    waiting.hidden = true;
    problem.hidden = false;
    document.getElementById("lab-error").textContent = error.message;
    return;
  }
  show();
}

document.getElementById("lab-again").addEventListener("click", open);
open();
