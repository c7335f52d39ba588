/* The fields of a source that Spark reads, and the clock of its preview. */

/* Shows the path, or the table if the format is one; what is not shown is not sent. */
export function attachSpark(form) {
  const format = form.elements.spark_format;
  const fields = { path: form.elements.spark_path, table: form.elements.spark_table };
  const typed = { path: fields.path.value, table: fields.table.value };

  function follow() {
    const shown = format.value === "table" ? "table" : "path";
    for (const [name, field] of Object.entries(fields)) {
      const isShown = name === shown;
      field.closest("[data-spark]").hidden = !isShown;
      if (isShown && !field.value) field.value = typed[name];
      else if (!isShown && field.value) [typed[name], field.value] = [field.value, ""];
    }
  }

  format.addEventListener("change", follow);
  follow();
}

/* Counts the seconds of a preview in `state`, against the most that it may take; returns what stops the clock. */
export function clock(state, { most }) {
  const began = Date.now();
  const tell = () => {
    const seconds = Math.round((Date.now() - began) / 1000);
    state.textContent = `Spark starts and reads the first rows: ${seconds} s of at most ${most} s`;
  };
  tell();
  const timer = setInterval(tell, 1000);
  return () => clearInterval(timer);
}
