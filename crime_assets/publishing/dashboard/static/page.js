// A choice or a link to another one changes the page in place; without scripts both work by loading it.
"use strict";

const usual = { period: "28d", offense_class: "all", district: "all", beat: "all", map: "district", beside: "" };

function chosen(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value !== usual[name]) query.set(name, value);
  }
  return `/?${query}`;
}

let asked = 0;
let shown = location.search;

// How far down the reader was on each page of the history, by the state of its entry. A browser goes back there before
// the page is there again, which is too early if the one before it is shorter.
const places = new Map();
let entry = history.state;

// While a page is waited for, the browser may already have gone to a place on it.
addEventListener("scroll", () => {
  if (!document.body.classList.contains("waiting")) places.set(entry, scrollY);
}, { passive: true });

// `isNew` if it becomes an entry of the history, `stays` if the reader is not to be taken to the title.
async function show(address, { isNew = true, stays = false } = {}) {
  const mine = ++asked;
  const focused = document.activeElement && document.activeElement.id;
  const open = [...document.querySelectorAll("details[open]")].map((found) => found.id);
  document.body.classList.add("waiting");
  try {
    const answer = await fetch(address);
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return;
    if (!found.getElementById("choice")) {
      location.assign(address);
      return;
    }
    for (const id of ["choice", "content"]) document.getElementById(id).replaceWith(found.getElementById(id));
    document.querySelector("header nav").replaceWith(found.querySelector("header nav"));
    document.title = found.title;
    shown = new URL(address, location).search;
    if (isNew) history.pushState(Date.now(), "", address);
    entry = history.state;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    document.getElementById("announced").textContent = `Now shown: ${document.title}`;
    const again = focused && document.getElementById(focused);
    // What was followed to come here is gone: the reading goes on at the title.
    if (again) again.focus({ preventScroll: true });
    else document.querySelector("h1").focus({ preventScroll: stays });
    if (places.has(entry)) scrollTo(0, places.get(entry));
  } catch {
    location.assign(address);
  } finally {
    if (mine === asked) document.body.classList.remove("waiting");
  }
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form#choice");
  if (form) show(chosen(form));
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "choice") return;
  event.preventDefault();
  show(chosen(event.target));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/?']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  // Whoever points at the map goes on there; whoever follows its links by key would not see where the focus is.
  const isPointed = link.closest("#live") || (event.detail && link.closest(".picture"));
  show(link.getAttribute("href"), { stays: Boolean(isPointed) });
});

// A jump within the page is no other page.
addEventListener("popstate", () => {
  if (location.search === shown) return;
  show(location.pathname + location.search, { isNew: false, stays: true });
});

// An explanation that is in the way goes at Escape, and comes back when its word is left and met again.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const word of document.querySelectorAll(".word:hover, .word:focus-within")) word.classList.add("dismissed");
});

for (const leaving of ["pointerout", "focusout"]) {
  document.addEventListener(leaving, (event) => {
    const word = event.target.closest(".word.dismissed");
    if (word && !word.contains(event.relatedTarget)) word.classList.remove("dismissed");
  });
}
