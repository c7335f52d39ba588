/* Filters by time: typed in the reader's zone, as lists show times, and asked for in UTC. */

import { clock } from "./page.js";

const reader = clock({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A moment on the clock of the reader: 2026-01-31T09:00, with seconds where there are some. */
const local = (moment) => reader.format(moment).replace(" ", "T").replace(/:00$/, "");

/** The moment at which the clock of the reader says so; no valid one for what is no time. */
function moment(text) {
  const wanted = Date.parse(`${text}Z`);
  let found = wanted;
  // The distance to UTC is that of the moment looked for: the second time finds it where the first one missed a change.
  for (let round = 0; round < 2 && !Number.isNaN(found); round += 1) found += wanted - Date.parse(`${local(found)}Z`);
  return new Date(found);
}

/** Show the fields named, which the server fills in UTC, in the reader's zone. */
export function localFields(form, names) {
  for (const name of names) {
    const field = form.elements[name];
    const given = field.defaultValue; // as the address has it, also with a zone
    const at = new Date(/T.*(Z|[+-]\d\d:?\d\d)$/.test(given) || !given.includes("T") ? given : `${given}Z`);
    if (!Number.isNaN(at.getTime())) field.value = local(at);
  }
  form.addEventListener("formdata", ({ formData }) => {
    for (const name of names) {
      const at = moment(formData.get(name));
      if (!Number.isNaN(at.getTime())) formData.set(name, at.toISOString().replace(/(:00)?(\.000)?Z$/, ""));
    }
  });
}
