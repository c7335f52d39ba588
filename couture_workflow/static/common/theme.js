/*
 * Runs first, before anything is painted: the colours of Airflow's page around the frame become ours, and follow it.
 * In a tab of JupyterLab they are light or dark as Lab is.
 */
(function () {
  "use strict";
  const root = document.documentElement;
  const tokens = [
    "bg", "bg-subtle", "bg-muted", "bg-emphasized", "bg-panel", "bg-error", "bg-success", "bg-warning", "bg-info",
    "fg", "fg-muted", "fg-subtle", "fg-error", "fg-success", "fg-warning", "fg-info",
    "border", "border-muted", "border-emphasized", "border-error", "border-success", "border-warning",
    "brand-solid", "brand-contrast", "brand-fg", "brand-muted", "brand-subtle", "brand-emphasized",
    "brand-focus-ring",
  ];
  const host = (() => {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null; // framed by another origin
    }
  })();

  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };

  /* JupyterLab says it on its body, once its theme is loaded. */
  const lab = () => ({ true: "light", false: "dark" })[host?.ownerDocument.body?.dataset.jpThemeLight];

  function mode() {
    if (lab()) return lab();
    for (const name of ["dark", "light"]) {
      if (host ? host.classList.contains(name) : chosen() === name) return name;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  function apply() {
    const current = mode();
    root.classList.toggle("dark", current === "dark");
    root.classList.toggle("light", current === "light");
    root.style.colorScheme = current;
    root.classList.toggle("framed", host !== null);
    if (!host) return;
    const style = window.parent.getComputedStyle(host);
    root.style.setProperty("--font", window.parent.getComputedStyle(host.ownerDocument.body).fontFamily);
    for (const token of tokens) {
      const value = style.getPropertyValue(`--chakra-colors-${token}`).trim();
      if (value) root.style.setProperty(`--${token}`, value);
      else root.style.removeProperty(`--${token}`);
    }
  }

  apply();
  const watch = (node, names) => new MutationObserver(apply).observe(node, { attributes: true, attributeFilter: names });
  if (host) watch(host, ["class", "style"]);
  if (host?.ownerDocument.body) watch(host.ownerDocument.body, ["data-jp-theme-light"]);
  window.addEventListener("storage", (event) => event.key === "theme" && apply());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
})();
