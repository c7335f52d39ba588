/* A model whose text is damaged: the button that brings the last good version back. */

import { post } from "../common/api.js";
import { attempt } from "../common/dialog.js";
import { modelPath } from "./uploading.js";

const button = document.getElementById("repair");

button?.addEventListener("click", async () => {
  const { kind, name } = button.dataset;
  if (await attempt(() => post(modelPath(kind, name, "/repair")))) window.location.reload();
});
