/* A new key: only what its scope names is asked for. A secret that is shown once can be copied. Both work without. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const PARTS = ["app", "user", "session", "project", "collection"];
  const scopes = [...document.querySelectorAll("input[name=scope][data-names]")];

  function show() {
    const chosen = scopes.find((input) => input.checked);
    const named = chosen ? JSON.parse(chosen.dataset.names)[chosen.value] : [];
    for (const part of PARTS) {
      const row = document.querySelector(`.form-row.field-${part}`);
      if (row) {
        row.hidden = !named.includes(part) && !row.querySelector(".errorlist");
      }
    }
  }

  if (scopes.length) {
    scopes.forEach((input) => input.addEventListener("change", show));
    show();
  }

  for (const button of document.querySelectorAll("button[data-copies]")) {
    const text = document.getElementById(button.dataset.copies);
    if (text && navigator.clipboard) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      });
    }
  }
});
