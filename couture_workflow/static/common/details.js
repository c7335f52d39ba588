/* Boxes that are filled when they are opened, so that a page with many of them comes at once. */

/**
 * Call `fill(box, details)` when a <details> is opened for the first time; `box` is its element with data-content. What
 * fails is told in the box, and tried again when it is closed and opened.
 */
export function whenOpened(details, fill) {
  const box = details.querySelector("[data-content]");
  let filled = false;
  const open = async () => {
    if (!details.open || filled) return;
    filled = true;
    try {
      await fill(box, details);
    } catch (error) {
      filled = false;
      box.textContent = `${error.message} Close and open this to try again.`;
    }
  };
  details.addEventListener("toggle", open);
  queueMicrotask(open); // one that was opened before this was loaded
}
