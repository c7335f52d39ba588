/* Texts that this browser keeps until the server has them: they outlive a closed tab and an expired log-in. */

const tab = (() => {
  try {
    const name = sessionStorage.getItem("couture.tab") ?? crypto.getRandomValues(new Uint32Array(2)).join("-");
    sessionStorage.setItem("couture.tab", name);
    return name;
  } catch {
    return "none";
  }
})();

/** The place for one account's texts of one file; each window has its own, so that none replaces another's. */
export function localTexts(user, path) {
  const prefix = `couture.dag-draft ${JSON.stringify([user, path])} `;
  const attempt = (work, otherwise) => {
    try {
      return work();
    } catch {
      return otherwise; // storage is full or forbidden: the server's draft is all there is
    }
  };
  return {
    /** Keep this window's text; tells whether the browser took it. */
    keep: (content, base) =>
      attempt(() => {
        localStorage.setItem(prefix + tab, JSON.stringify({ content, base, at: new Date().toISOString() }));
        return true;
      }, false),
    /** The server has this window's text. */
    drop: () => attempt(() => localStorage.removeItem(prefix + tab)),
    /** Keep a text that is not shown, until somebody deletes it. */
    setAside: ({ content, base, at }) =>
      attempt(() => localStorage.setItem(`${prefix}aside-${at}`, JSON.stringify({ content, base, at }))),
    remove: ({ key }) => attempt(() => localStorage.removeItem(key)),
    /** Everything that is kept here for the file, the newest first: [{ key, content, base, at }]. */
    all: () =>
      attempt(() => {
        const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
        const found = keys.map((key) => ({ ...JSON.parse(localStorage.getItem(key)), key }));
        return found.filter(({ content }) => typeof content === "string").sort((a, b) => (a.at < b.at ? 1 : -1));
      }, []),
  };
}
