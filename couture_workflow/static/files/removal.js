/* Deleting an uploaded file: a person is asked first, and once more, with its users, if it is in use. */

import { ApiError, del } from "../common/api.js";
import { confirm, notice } from "../common/dialog.js";

const question = (name, users, { suffering, place }) =>
  users.length
    ? { title: `${name} is in use`, text: suffering, details: users, action: "Delete all the same", danger: true }
    : { title: `Delete ${name}?`, text: `All its versions go. They can be brought back from ${place}.`, action: "Delete", danger: true };

/**
 * Delete a file if a person wants that, and tell whether it is gone.
 *
 * `address(name, rest)` is its address in the REST API; of the words, `suffering` goes before the list of its users,
 * and `place` is where it can be brought back.
 */
export async function removed(name, users, address, words) {
  if (!(await confirm(question(name, users, words)))) return false;
  try {
    await del(address(name, users.length ? "?force=true" : ""));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "in_use") return removed(name, error.body.users, address, words);
    notice(error.message, "error");
    return false;
  }
  return true;
}
