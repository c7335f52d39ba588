/* Choosing two runs of notebooks to compare: what is chosen outlives the renewal of the list. */

const form = document.getElementById("compare");
const chosen = new Set();

const boxes = () => document.querySelectorAll('#runs input[name="run"]');

const SAID = ["Choose two runs of notebooks to compare them.", "Choose one more.", "Two are chosen."];

/** Tick what was chosen before, and let no third be chosen; call it when the list was renewed. */
export function showChosen() {
  const listed = [...boxes()];
  form.hidden = listed.length < 2;
  const there = new Set(listed.map((box) => box.value));
  for (const value of [...chosen]) if (!there.has(value)) chosen.delete(value);
  for (const box of listed) {
    box.checked = chosen.has(box.value);
    box.disabled = chosen.size === 2 && !box.checked;
  }
  form.querySelector("button").disabled = chosen.size !== 2;
  document.getElementById("compare-said").textContent = SAID[chosen.size];
}

document.addEventListener("change", (event) => {
  if (!event.target.matches('#runs input[name="run"]')) return;
  if (event.target.checked) chosen.add(event.target.value);
  else chosen.delete(event.target.value);
  showChosen();
});

for (const box of boxes()) if (box.checked) chosen.add(box.value); // a browser that came back to the page
showChosen();
