/* Sizes of files in words. */

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? value.toFixed(1) : value} ${UNITS[unit]}`;
}

/** How far an upload is. */
export const uploaded = (sent, total) =>
  sent < total ? `${bytes(sent)} of ${bytes(total)}` : `${bytes(total)} sent, the server is checking it`;

/** Why a size is refused, "" if it is not; `what` is "The file has". */
export const tooLarge = (what, size, most) =>
  size > most ? `${what} ${bytes(size)}, more than the limit of ${bytes(most)}.` : "";
