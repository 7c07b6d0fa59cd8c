// A figure is copied with what it counts, its caveat, and the address where it is shown.
"use strict";

// Where the clipboard is out of reach, the text is shown selected, to be copied by hand.
function offer(button, text) {
  const field = document.createElement("textarea");
  field.className = "offered";
  field.readOnly = true;
  field.value = text;
  field.setAttribute("aria-label", "The figure, to be copied");
  button.after(field);
  field.select();
  if (!document.execCommand("copy")) return false;
  field.remove();
  button.focus();
  return true;
}

async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return offer(button, text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  button.parentElement.querySelector(".offered")?.remove();
  const { text, link } = button.dataset;
  const isCopied = await copied(button, `${text} ${location.origin}${link}`);
  document.getElementById("announced").textContent = isCopied ? "Copied." : "Selected: copy it yourself.";
  button.classList.toggle("done", isCopied);
  setTimeout(() => button.classList.remove("done"), 2000);
});
