// Alerts as they come: put on the list and the map, neither of which grows beyond what a reader can look at.

const MOST_ROWS = 200, MOST_SPOTS = 300;
const FLUSH = 250, SAY = 5000, HELD = 5000, BEEP = 2000, AGAIN = 5000;

const $ = (id) => document.getElementById(id);
const list = $("alerts"), spots = $("spots"), form = $("choice"), who = $("who");
const rows = new Map([...list.children].map((row) => [row.dataset.alert, row]));
// What has come and is not shown yet, by id.
const waiting = new Map();
let mark = list.dataset.mark, source, fresh = 0, saidAt = -SAY, heldUntil = 0, lostAt, timer, again;

document.documentElement.classList.add("scripted");

function say(text) {
  saidAt = performance.now();
  $("announced").textContent = text;
}

// Rows.

function isChosen(row) {
  return ["rule", "district"].every((name) => ["", row.dataset[name]].includes(form.elements[name].value));
}

function known(row, told) {
  const { revision } = row.dataset;
  // Who said it first of the present revision stays; of an earlier one, the nearest is told.
  if (told.revision > Number(revision) || told.revision < Number(row.dataset.known ?? 0)) return;
  if (row.dataset.known === String(told.revision)) return;
  row.dataset.known = told.revision;
  const isOf = String(told.revision) === revision;
  row.querySelector(".by").textContent =
    `Acknowledged by ${told.who}, ${told.at}${isOf ? "" : `, in revision ${told.revision}`}`;
  const button = row.querySelector(".acknowledge");
  // Whoever goes by key stays at the row.
  if (isOf && document.activeElement === button) row.focus({ preventScroll: true });
  done(row, isOf);
}

function done(row, isDone) {
  row.querySelector(".acknowledge").hidden = isDone;
  row.classList.toggle("done", isDone);
  spotOf(row.dataset.alert)?.classList.toggle("done", isDone);
}

function fill(row, alert) {
  const { dataset } = row, put = (place, text) => { row.querySelector(place).textContent = text; };
  dataset.alert = alert.id;
  dataset.revision = alert.revision;
  dataset.rule = alert.rule;
  dataset.district = alert.district;
  delete dataset.known;
  row.classList.toggle("withdrawn", alert.is_withdrawn);
  const time = row.querySelector("time");
  time.dateTime = alert.raised_at;
  time.textContent = alert.raised;
  put(".kind", alert.name);
  put(".of", alert.district && `District ${alert.district}`);
  put(".revised", alert.revision > 1 ? `Revision ${alert.revision}` : "");
  put(".what strong", alert.title);
  put(".subject", alert.subject);
  put(".said", alert.said);
  put(".by", "");
  put(".acknowledge .unseen", ` ${alert.title}, ${alert.subject}`);
  row.hidden = !isChosen(row);
  done(row, false);
  if (alert.acknowledged) known(row, alert.acknowledged);
}

function shorten() {
  // Never the row where the reader is.
  for (let row = list.lastElementChild; rows.size > MOST_ROWS && row;) {
    const before = row.previousElementSibling;
    if (!row.contains(document.activeElement)) {
      rows.delete(row.dataset.alert);
      row.remove();
    }
    row = before;
  }
}

function option(name, value, said) {
  const { options } = form.elements[name];
  if (value && ![...options].some((one) => one.value === value)) options.add(new Option(said, value));
}

// Spots.

const spotOf = (id) => spots?.querySelector(`[data-alert="${CSS.escape(id)}"]`);

function place(alert) {
  if (!spots || !alert.place) return;
  const [lat, lon] = alert.place, { west, north, across, down } = spots.dataset;
  let spot = spotOf(alert.id);
  if (!spot) {
    spot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    spot.dataset.alert = alert.id;
    spot.classList.add("spot");
    spot.setAttribute("r", 7);
    spot.append(document.createElementNS("http://www.w3.org/2000/svg", "title"));
    spots.append(spot);
  }
  spot.setAttribute("cx", ((lon - west) * across).toFixed(2));
  spot.setAttribute("cy", ((north - lat) * down).toFixed(2));
  spot.firstElementChild.textContent = `${alert.title}, ${alert.subject}`;
  while (spots.childElementCount > MOST_SPOTS) spots.firstElementChild.remove();
}

// What comes.

function take(alert) {
  const there = waiting.get(alert.id);
  if (there && there.revision >= alert.revision) return;
  waiting.delete(alert.id);
  waiting.set(alert.id, alert);
  if (waiting.size > MOST_ROWS) waiting.delete(waiting.keys().next().value);
}

function show(alert) {
  let row = rows.get(alert.id);
  if (row && Number(row.dataset.revision) >= alert.revision) return;
  place(alert);
  option("rule", alert.rule, alert.name);
  option("district", alert.district, alert.district);
  if (row) fill(row, alert);
  else {
    row = $("row").content.firstElementChild.cloneNode(true);
    fill(row, alert);
    rows.set(alert.id, row);
    list.prepend(row);
  }
  if (!row.hidden) fresh += 1;
}

const isPaused = () => $("pause").getAttribute("aria-pressed") === "true";

function flush() {
  const isHeld = isPaused() || performance.now() < heldUntil;
  if (!isHeld && waiting.size) {
    for (const alert of waiting.values()) show(alert);
    waiting.clear();
    shorten();
    $("none").hidden = rows.size > 0;
    if (fresh) beep();
  }
  $("waiting").hidden = !waiting.size;
  const why = isPaused() ? "Paused" : "Held while you are at the list";
  $("waiting").textContent = waiting.size ? `${why}: ${waiting.size} more` : "";
  if (fresh && performance.now() - saidAt >= SAY) {
    say(`${fresh} new alert${fresh === 1 ? "" : "s"}`);
    fresh = 0;
  }
}

// A row must not move away under who points at it or goes through the list by key.
function hold() {
  heldUntil = performance.now() + HELD;
}
for (const what of ["pointermove", "pointerdown", "keydown", "focusin"]) list.addEventListener(what, hold);

function connect() {
  clearTimeout(again);
  source?.close();
  source = new EventSource(`/live/alerts?after=${encodeURIComponent(mark)}`);
  const told = (event) => {
    if (event.lastEventId) mark = event.lastEventId;
    return JSON.parse(event.data);
  };
  const came = ({ alerts, acknowledged }) => {
    for (const alert of alerts) {
      take(alert);
      if (alert.acknowledged) acknowledged.push(alert.acknowledged);
    }
    for (const one of acknowledged) {
      const row = rows.get(one.alert), later = waiting.get(one.alert);
      if (row) known(row, one);
      if (later && (later.acknowledged?.revision ?? 0) < one.revision) later.acknowledged = one;
    }
  };
  source.addEventListener("alerts", (event) => came(told(event)));
  source.addEventListener("reset", (event) => {
    const all = told(event), names = new Set(all.alerts.map((one) => one.id));
    // What is still there stays where it is; of the rest nobody knows any more.
    for (const [id, row] of rows) {
      if (names.has(id)) continue;
      rows.delete(id);
      row.remove();
      spotOf(id)?.remove();
    }
    waiting.clear();
    came(all);
  });
  source.addEventListener("state", (event) => {
    lostAt = undefined;
    const { said, is_wrong } = told(event);
    state(said, is_wrong);
  });
  source.addEventListener("end", () => location.assign("/live"));
  source.addEventListener("error", () => {
    lostAt ??= new Date();
    state(`Not connected since ${lostAt.toLocaleTimeString()}: trying again.`, true);
    // After some answers a browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN);
  });
}

function state(said, isWrong) {
  if ($("state").textContent === said) return;
  $("state").textContent = said;
  $("state").classList.toggle("wrong", isWrong);
}

// A page that nobody sees and nobody hears takes no connection: a browser has few for one address.
function awake() {
  const isNeeded = !document.hidden || sound;
  if (isNeeded && !timer) {
    timer = setInterval(flush, FLUSH);
    connect();
  } else if (!isNeeded && timer) {
    timer = clearInterval(timer);
    clearTimeout(again);
    source.close();
  }
}
document.addEventListener("visibilitychange", awake);

// What a reader does.

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  if (!event.target.matches("select")) return;
  for (const row of rows.values()) row.hidden = !isChosen(row);
});

for (const id of ["pause", "sound"]) {
  $(id).addEventListener("click", () => {
    const isOn = $(id).getAttribute("aria-pressed") !== "true";
    $(id).setAttribute("aria-pressed", isOn);
    if (id === "sound") turn(isOn);
    else if (!isOn) heldUntil = 0;
  });
}

function names(row) {
  const spot = spotOf(row?.dataset.alert ?? "");
  for (const one of spots?.querySelectorAll(".told") ?? []) if (one !== spot) one.classList.remove("told");
  spot?.classList.add("told");
}
for (const what of ["focusin", "pointerover"]) {
  list.addEventListener(what, (event) => names(event.target.closest(".alert")));
}

if (who) {
  who.value = localStorage.getItem("who") ?? "";
  who.addEventListener("change", () => localStorage.setItem("who", who.value.trim()));
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest(".acknowledge"), row = button?.closest(".alert");
  if (!row || row.dataset.asked) return;
  if (who && !who.value.trim()) {
    say("Say who you are first.");
    who.focus();
    return;
  }
  const told = { alert: row.dataset.alert, revision: Number(row.dataset.revision), who: who?.value.trim() };
  // Not disabled: a browser would take the focus away from it.
  row.dataset.asked = "yes";
  try {
    const answer = await fetch("/live/acknowledge", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told),
    });
    // Whoever is not logged in any more is led to where one does that.
    if (answer.redirected) {
      location.assign("/live");
      return;
    }
    const found = await answer.json();
    if (answer.ok) {
      known(row, found);
      say(row.querySelector(".by").textContent);
    } else say(found.sentence);
  } catch {
    say("That could not be noted: try again.");
  }
  delete row.dataset.asked;
});

// Sound: nothing of it is made before somebody asks for it.

let sound, beeped = -BEEP;

function turn(isOn) {
  if (isOn) sound = new AudioContext();
  else {
    sound?.close();
    sound = undefined;
  }
  awake();
}

function beep() {
  if (!sound || performance.now() - beeped < BEEP) return;
  beeped = performance.now();
  const tone = sound.createOscillator(), volume = sound.createGain(), now = sound.currentTime;
  tone.frequency.value = 880;
  volume.gain.setValueAtTime(0.2, now);
  volume.gain.exponentialRampToValueAtTime(0.001, now + 0.3);
  tone.connect(volume).connect(sound.destination);
  tone.start(now);
  tone.stop(now + 0.3);
}

// What the server has written knows who acknowledged; its rows look like those that come.
for (const row of rows.values()) {
  const isDone = row.querySelector(".acknowledge").hidden;
  if (isDone) row.dataset.known = row.dataset.revision;
  done(row, isDone);
}
awake();
