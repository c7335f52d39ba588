/* The draft of this tab: it outlives a reload and an expired login, and is gone with the tab. */

/** A place for one user's draft: keep(data) or keep(null), and read(). */
export function makeDraft(user) {
  const key = `couture.spark-configuration.${user}`;
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
