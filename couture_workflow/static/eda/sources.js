/* The lists of sources and of uploaded data: uploads, and from an upload to a source; delete and bring back data. */

import { api, post } from "../common/api.js";
import { attempt } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { removed } from "../files/removal.js";
import { Uploads } from "../files/uploads.js";

const list = document.getElementById("files");
const address = (name, more = "") => api(`/eda/data/${encodeURIComponent(name)}${more}`);

/* What was uploaded can be a source at once; more of a name that sources read already is their next version. */
function offer(items) {
  const place = document.getElementById("uploads-next");
  const stored = items.filter(({ state }) => state === "done" || state === "warned");
  place.replaceChildren(
    ...stored.map(({ name }) =>
      el("a", { class: "btn btn-small btn-primary", href: `${list.dataset.new}?${new URLSearchParams({ data: name })}` }, `New source of ${name}`),
    ),
  );
}

if (document.getElementById("uploads")) {
  const uploads = new Uploads({ address, settings: list.dataset, changed: () => offer(uploads.items) });
}

const WORDS = { suffering: "Runs of these will fail:", place: "the tab Deleted data" };

async function remove(name, users) {
  if (await removed(name, users, address, WORDS)) window.location.reload();
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { delete: doomed, undelete } = button.dataset;
  if (doomed !== undefined) await remove(doomed, JSON.parse(button.dataset.users));
  else if (undelete !== undefined && (await attempt(() => post(address(undelete, "/undelete"))))) window.location.reload();
});

for (const select of document.querySelectorAll('form[role="search"] select')) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
