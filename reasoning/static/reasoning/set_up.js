// Shows the prompts of another app or kind as soon as it is chosen; without this, a button does.
document.addEventListener("DOMContentLoaded", () => {
  for (const group of document.querySelectorAll("[data-submit]")) {
    const button = group.querySelector(`[name="${group.dataset.submit}"]`);
    button.parentElement.hidden = true;
    group.addEventListener("change", () => button.click());
  }
  document.getElementById("shown")?.focus();
});
