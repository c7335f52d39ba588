/* Every call from our pages to the server: JSON in, JSON out, one error class, uploads with progress. */

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/** Address of a page, such as page("/spark-configuration/save"). */
export const page = (path) => meta("pages-root") + path;

/** Address of the REST API, such as api("/configs/"). */
export const api = (path) => meta("api-root") + path;

/** What the server refused: status, code ("conflict", ...), message, field and whatever else it sent in `body`. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.detail || `The server answered ${status}. Try again, or look into the log of the API server.`);
    this.name = "ApiError";
    this.status = status;
    this.code = body?.error ?? "";
    this.field = body?.field ?? "";
    this.body = body ?? {};
  }
}

const headers = (more = {}) => ({
  Accept: "application/json",
  "X-CSRFToken": meta("csrf-token"),
  "X-Requested-With": "couture-workflow",
  ...more,
});

async function answered(method, url, body, { more = {}, ...options } = {}) {
  const json = body !== undefined;
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: headers({ ...(json ? { "Content-Type": "application/json" } : {}), ...more }),
      body: json ? JSON.stringify(body) : undefined,
      credentials: "same-origin",
      ...options,
    });
  } catch {
    throw new ApiError(0, { error: "unreachable", detail: "The server cannot be reached. Check the connection." });
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer);
  return { answer, etag: response.headers.get("ETag") };
}

const call = async (...asked) => (await answered(...asked)).answer;

export const get = (url) => call("GET", url);
/** `options` go to fetch(): { keepalive: true } lets a call outlive the page. */
export const post = (url, body = {}, options = {}) => call("POST", url, body, options);
/** `more` are headers beside the usual ones. */
export const put = (url, body = {}, more = {}) => call("PUT", url, body, { more });
export const patch = (url, body = {}) => call("PATCH", url, body);
export const del = (url, body) => call("DELETE", url, body);
/** { answer, etag } of what has an ETag; `base` is the one that was read, which nobody may have replaced. */
export const tagged = (method, url, { body, base } = {}) => answered(method, url, body, { more: base ? { "If-Match": base } : {} });

/**
 * Send one file, or a FormData, as the request's body. `progress(sent, total)` is called as bytes leave; the promise
 * holds the answer.
 * `options`: { method = "PUT", signal } - an AbortSignal stops the upload.
 */
export function upload(url, file, progress = () => {}, { method = "PUT", signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    const kind = file instanceof FormData ? {} : { "Content-Type": "application/octet-stream" }; // a form brings its own
    for (const [name, value] of Object.entries(headers(kind))) {
      request.setRequestHeader(name, value);
    }
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total || file.size));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(new ApiError(request.status, request.response));
    });
    request.addEventListener("error", () =>
      reject(new ApiError(0, { error: "unreachable", detail: "The connection broke during the upload. Try again." })),
    );
    request.addEventListener("abort", () => reject(new ApiError(0, { error: "aborted", detail: "Upload stopped." })));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
