// Values of a picture are read below it: at what a pointer or finger meets, and with the arrow keys. Each part that has
// a value says it in its <title>; without scripts a browser shows that itself, and the table has all of them.
"use strict";

document.documentElement.classList.add("scripted");

const pictured = ".picture svg";

function partsOf(picture) {
  return [...picture.querySelectorAll("title")].map((title) => title.parentElement).filter((part) => part !== picture);
}

function partAt(target) {
  const picture = target.closest(pictured);
  if (!picture) return null;
  if (target.matches("a")) return target.querySelector("title")?.parentElement ?? null;
  for (let part = target; part && part !== picture; part = part.parentElement) {
    if (part.querySelector(":scope > title")) return part;
  }
  return null;
}

function tell(part) {
  const panel = part.closest(".panel");
  for (const told of panel.querySelectorAll(".told")) told.classList.remove("told");
  part.classList.add("told");
  panel.querySelector(".reading").textContent = part.querySelector(":scope > title").textContent;
}

function middleOf(part) {
  const box = part.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

// The nearest part in a direction; what lies aside of it counts as farther away.
function nextTo(part, parts, along, sign) {
  const from = middleOf(part);
  let next = null;
  let least = Infinity;
  for (const other of parts) {
    const to = middleOf(other);
    const ahead = (to[along] - from[along]) * sign;
    const aside = Math.abs(to[1 - along] - from[1 - along]);
    if (ahead > 0.5 && ahead + 4 * aside < least) [next, least] = [other, ahead + 4 * aside];
  }
  return next;
}

for (const met of ["pointerover", "click", "focusin"]) {
  document.addEventListener(met, (event) => {
    const part = partAt(event.target);
    if (part) tell(part);
  });
}

const ways = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };

document.addEventListener("keydown", (event) => {
  const region = event.target.closest(".picture");
  const way = ways[event.key];
  const picture = region?.querySelector("svg");
  if (!picture || !way || event.ctrlKey || event.metaKey || event.altKey) return;
  const parts = partsOf(picture);
  const told = picture.querySelector(".told");
  const next = told ? nextTo(told, parts, ...way) : parts[0];
  if (!next) return;
  event.preventDefault();
  tell(next);
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
});
