// Buttons that copy a value, and say so.

const COPIED = 1_500;

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
  const word = button.firstChild;
  const before = word.data;
  if (before === button.dataset.done) return;
  word.data = button.dataset.done;
  document.getElementById("said").textContent = button.textContent;
  setTimeout(() => (word.data = before), COPIED);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
