/*
 * Runs first: a button that is pressed before the module of its page listens is pressed again as soon as it does.
 * Without this a press that came early would do nothing, or send a form that the module was to fill.
 */
(function () {
  "use strict";
  let pressed = null;

  function hold(event) {
    const control = event.ctrlKey || event.metaKey ? null : event.target.closest?.("button, a[data-airflow]");
    if (!control) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed = control;
  }

  window.addEventListener("click", hold, true);
  document.addEventListener("DOMContentLoaded", () => {
    window.removeEventListener("click", hold, true);
    if (pressed?.isConnected) pressed.click();
  });
})();
