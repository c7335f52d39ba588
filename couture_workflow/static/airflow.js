/* The pages of Airflow's auth manager take the colours that were chosen in Airflow. */
(function () {
  "use strict";
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "dark" || theme === "light") document.documentElement.setAttribute("data-color-scheme", theme);
  } catch {
    // no storage: the colours of the system
  }
})();
