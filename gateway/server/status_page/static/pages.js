// For the pages with forms: times of the browser's zone, copy buttons, and a button that says that it is at work.

import "./copying.js";
import { localizeTimes } from "./patch.js";

document.documentElement.dataset.link = "none"; // shows what is only useful with scripts
localizeTimes();

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.busy) return;
  button.textContent = button.dataset.busy;
  button.setAttribute("aria-disabled", "true");
  event.target.addEventListener("submit", (again) => again.preventDefault());
  // A page that comes back from the browser's memory can be sent again.
  addEventListener("pageshow", (shown) => shown.persisted && location.reload(), { once: true });
});
