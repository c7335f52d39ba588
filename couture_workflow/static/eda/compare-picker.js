/* Two ticks in a list of outputs and a button that compares them; what is ticked outlives a renewal of the list. */

const SAID = ["Tick two outputs to compare them.", "Tick one more.", "Two are ticked."];

/**
 * Let a form compare two outputs. Boxes with the name "compare" and an output's number as value belong to it, inside
 * of it or by their attribute `form`; it has a button, an element with [data-compare-said] if it is to tell how many
 * are missing, and as action the address of the page. Returns a function to be called when the list was renewed.
 */
export function attachComparePicker(form) {
  const chosen = new Set();
  const boxes = () =>
    [...document.querySelectorAll('input[type="checkbox"][name="compare"]')].filter((box) => box.form === form);
  const said = form.querySelector("[data-compare-said]");

  const show = () => {
    const listed = boxes();
    const there = new Set(listed.map((box) => box.value));
    for (const value of [...chosen]) if (!there.has(value)) chosen.delete(value);
    for (const box of listed) {
      box.checked = chosen.has(box.value);
      box.disabled = chosen.size === 2 && !box.checked;
      box.hidden = listed.length < 2; // nothing to compare yet
    }
    for (const button of form.querySelectorAll("button")) button.disabled = chosen.size !== 2;
    form.hidden = listed.length < 2;
    if (said) said.textContent = SAID[chosen.size];
  };

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.name !== "compare" || box.form !== form) return;
    if (box.checked) chosen.add(box.value);
    else chosen.delete(box.value);
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [a, b] = [...chosen].map(Number).sort((one, other) => one - other);
    if (b) window.location.assign(`${form.getAttribute("action")}?a=${a}&b=${b}`);
  });
  for (const box of boxes()) if (box.checked) chosen.add(box.value); // a browser that came back to the page
  show();
  return show;
}
