/* Uploads of models: what a file becomes the name of, where it is sent, with what it is asked for. */

import { api } from "../common/api.js";

/** What a model is named by the file that it comes in. */
export const modelName = (file) => file.replace(/(\.(tar|tgz|zip|onnx)|\.tar\.gz)$/i, "") || file;

export const modelPath = (kind, name, rest = "") => api(`/models/${encodeURIComponent(kind)}/${encodeURIComponent(name)}${rest}`);

/** What the form above the list says, as the query of an upload. */
export function asked() {
  const form = document.getElementById("upload-options");
  const given = [...new FormData(form)].filter(([, value]) => String(value).trim());
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
