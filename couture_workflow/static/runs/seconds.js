/* How long something runs, in words, counted while one looks. */

function words(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Let every [data-since] below a node that `root()` returns count; call what is returned after a change. */
export function counting(root) {
  const count = () => {
    for (const node of root()?.querySelectorAll("[data-since]") ?? []) {
      node.textContent = words(Math.max(0, (Date.now() - Date.parse(node.dataset.since)) / 1000));
    }
  };
  count();
  setInterval(count, 1000);
  return count;
}
