/* The draft of this tab: it outlives a reload and an expired login, and is gone with the tab. */

/** A place for one draft of one user: keep(data) or keep(null), and read(). */
export function makeDraft(page, user) {
  const key = `couture.${page}.${user}`;
  return {
    keep(data) {
      if (data) sessionStorage.setItem(key, JSON.stringify(data));
      else sessionStorage.removeItem(key);
    },
    read() {
      try {
        return JSON.parse(sessionStorage.getItem(key));
      } catch {
        return null;
      }
    },
  };
}
