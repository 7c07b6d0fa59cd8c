// What the map says in words: its legend, and the box beside what is pointed at.

// The legend: (fill or name of a mark, words).
export function key(live, entries) {
  live.querySelector(".live-key").replaceChildren(...entries.map(([fill, said]) => {
    const entry = Object.assign(document.createElement("li"), { textContent: said });
    const swatch = document.createElement("span");
    if (fill.startsWith("#")) swatch.style.background = fill;
    else swatch.className = fill;
    entry.prepend(swatch);
    return entry;
  }));
}

// The box beside what is pointed at.
export function describe(live, found, place) {
  const box = live.querySelector(".live-said");
  const parts = found.lines.map((text) => Object.assign(document.createElement("p"), { textContent: text }));
  box.replaceChildren(Object.assign(document.createElement("strong"), { textContent: found.title }), ...parts);
  if (found.link) {
    box.append(Object.assign(document.createElement("a"), { href: found.link, textContent: `To ${found.title}` }));
  }
  box.hidden = false;
  const { clientWidth: width, clientHeight: height } = box.parentElement;
  box.style.left = `${Math.max(0, Math.min(place.x + 14, width - box.offsetWidth - 4))}px`;
  const below = place.y + 14 + box.offsetHeight < height;
  box.style.top = `${Math.max(0, below ? place.y + 14 : place.y - 14 - box.offsetHeight)}px`;
}
