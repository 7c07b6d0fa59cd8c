// The map that can be zoomed: it takes the place of the picture once the page is there, where the browser has WebGL 2.
// It says nothing that the tables do not; the picture stays for print, and its links for the keyboard.

import { EMPTY, GROUND, addLayers, bounds, cells, dots, features } from "./map-layers.js";
import { describe, key } from "./map-said.js";

// How many zoom levels beyond the whole city each is shown from.
const STEPS = { community_area: 0.9, beat: 1.8, blocks: 3.3 };

// Pixels that the legend and the help take beyond the line that was below the picture: nothing moves when the map comes.
const LEGEND = 70;

const canvas = Object.assign(document.createElement("div"), { className: "live-canvas" });
const shapes = new Map(); // address → promise of GeoJSON
let fetched; // promise of MapLibre
let loaded; // promise of its map with its layers
let map; // that map
let live; // the element of the page that is shown
let state; // of the map that is shown, made by `stateOf`; undefined while only the picture is
let framed; // the city and the area that the map was last moved to
let isTouched; // rather than pointed at with a mouse

function stateOf(data, whole) {
  return {
    data, // figures of what is shown, with the shapes in each level
    city: whole?.zoom, // zoom at which the whole city fits
    aim: undefined, // zoom that was asked for last
    level: undefined, // the areas that are shown, and whether hot spots and blocks are, too
    hot: false,
    near: false,
    hotSpots: undefined, // promise of them
    cells: undefined, // what it brought; null if they could not be loaded
    blocks: new Map(), // district → promise of its blocks
    dots: [], // what they brought; null for a district whose blocks could not be loaded
    pointed: undefined, // id of what is pointed at
  };
}

const json = async (address) => {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
};

const kept = (address) => {
  if (!shapes.has(address)) shapes.set(address, json(address));
  return shapes.get(address);
};

// What could not be loaded is left out of the map, and the legend says so.
const orNull = (answer) => answer.catch((error) => {
  console.warn(error);
  return null;
});

// ---- what is drawn

function draw() {
  const { data } = state;
  for (const one of data.levels) {
    const [areas, names] = features(one);
    map.getSource(one.level).setData(areas);
    map.getSource(`${one.level}-names`).setData(names);
  }
  for (const name of ["hot", "blocks", "pointed"]) map.getSource(name).setData(EMPTY);
  const chosen = data.within && shape(...data.within);
  map.getSource("marked").setData(chosen || EMPTY);
  // Beside figures of areas, hot spots are outlines only.
  for (const kind of ["fill", "hatch"]) {
    map.setPaintProperty(`hot-${kind}`, "fill-opacity", data.shows_hot_spots ? 0.85 : 0);
  }
}

// ---- what is shown at which zoom

function change() {
  if (!state) return;
  const { data, city } = state;
  const order = data.levels.map((one) => one.level);
  const beyond = map.getZoom() - city + 0.01;
  const byZoom = beyond >= STEPS.beat ? "beat" : beyond >= STEPS.community_area ? "community_area" : "district";
  const level = order[Math.max(order.indexOf(byZoom), order.indexOf(data.coarsest))];
  const near = beyond >= STEPS.blocks && !data.shows_hot_spots;
  const hot = data.shows_hot_spots || beyond >= STEPS.beat;
  if (state.level === level && state.near === near && state.hot === hot) return;
  Object.assign(state, { level, near, hot });
  for (const { id, source } of map.getStyle().layers) {
    const of = source?.replace("-names", "");
    if (order.includes(of)) show(id, of === level);
    if (source === "hot") show(id, hot);
    if (source === "blocks") show(id, near);
  }
  if (hot) loadHotSpots();
  tell();
}

const show = (id, isShown) => map.setLayoutProperty(id, "visibility", isShown ? "visible" : "none");

async function loadHotSpots() {
  if (state.hotSpots) return;
  const mine = state;
  mine.hotSpots = orNull(json(live.dataset.hotspots));
  mine.cells = await mine.hotSpots;
  if (mine !== state) return;
  if (mine.cells) map.getSource("hot").setData(cells(mine.cells.cells));
  tell();
}

// Those of the districts in view, each once.
async function loadBlocks() {
  const mine = state;
  const links = map.queryRenderedFeatures({ layers: ["beat-fill", "beat-hatch"] }).map((beat) => beat.properties.link);
  const inView = links.filter(Boolean).map((link) => new URLSearchParams(link.slice(2)).get("district"));
  const wanted = [...new Set(inView)].filter((district) => !mine.blocks.has(district));
  if (!wanted.length) return;
  for (const district of wanted) {
    const [path, query] = live.dataset.blocks.split("?"), asked = new URLSearchParams(query);
    asked.set("district", district);
    mine.blocks.set(district, orNull(json(`${path}?${asked}`)));
  }
  const found = await Promise.all(mine.blocks.values());
  if (mine !== state) return;
  mine.dots = found;
  map.getSource("blocks").setData(dots(found.flatMap((one) => one?.blocks ?? [])));
  tell();
}

// ---- what is said about it

function tell() {
  const { data, level, hot, near } = state;
  const one = data.levels.find((each) => each.level === level);
  const said = `Shown: ${[one.title, ...(hot ? ["hot spots"] : []), ...(near ? ["blocks"] : [])].join(", ")}`;
  const status = live.querySelector(".live-shown");
  // A screen reader would say the same again.
  if (status.textContent !== said) status.textContent = said;
  key(live, [...one.key, ...(hot ? hotKey() : []), ...(near ? [["dot", blocksSaid()]] : [])]);
}

function hotKey() {
  const { data, cells: found } = state;
  if (found === null) return [["outline", "Hot spots could not be loaded"]];
  if (found && data.shows_hot_spots) return found.key;
  return [["outline", found?.title ?? "Hot spots"]];
}

function blocksSaid() {
  const arrived = state.dots.filter(Boolean), failed = state.dots.length - arrived.length;
  const [hidden, unplaced] = ["hidden", "unplaced"].map((kind) => (
    arrived.reduce((sum, one) => sum + one[kind], 0).toLocaleString("en")
  ));
  return [
    "Blocks by their crimes",
    ...(arrived.length ? [`not drawn: ${hidden} that are not shown, ${unplaced} without a place`] : []),
    ...(failed ? [`those of ${failed} district${failed === 1 ? "" : "s"} could not be loaded`] : []),
  ].join("; ");
}

// ---- what is pointed at

const shape = (name, area) => state.data.levels.find((one) => one.level === name).geojson.features.find((each) => each.properties.name === area);

function under(place) {
  const at = (...layers) => map.queryRenderedFeatures(place, { layers })[0];
  const area = at(`${state.level}-fill`, `${state.level}-hatch`), hot = at("hot-fill", "hot-hatch");
  const found = at("blocks-dots") ?? (state.data.shows_hot_spots ? hot ?? area : area);
  return found && told(found, hot);
}

// What is said about a feature, and about the hot spot that it is looked at in.
function told({ source, properties, geometry }, hot) {
  const { data } = state;
  const one = data.levels.find((each) => each.level === source);
  const title = one ? `${one.singular} ${properties.name}` : properties.name;
  const beside = one && !properties.said && "Outside of what was chosen.";
  const inHot = hot && source !== "hot" && `In a hot spot: ${hot.properties.said} in its cell.`;
  const lines = [properties.said, beside, properties.change, inHot, properties.said && data.known].filter(Boolean);
  return { id: `${source} ${properties.name}`, source, title, lines, link: properties.link, shape: one ? shape(source, properties.name).geometry : geometry };
}

function point(found, place) {
  if (found) describe(live, found, place);
  else live.querySelector(".live-said").hidden = true;
  if (state.pointed === found?.id) return;
  state.pointed = found?.id;
  map.getSource("pointed").setData(found ? { type: "Feature", properties: {}, geometry: found.shape } : EMPTY);
  map.getCanvas().style.cursor = found?.link || found?.source === "community_area" ? "pointer" : "";
}

function follow({ point: place, originalEvent: { ctrlKey, metaKey, shiftKey } }) {
  const found = under(place);
  const isNew = found?.id !== state.pointed;
  point(found, place);
  // A finger cannot hover: the first touch says what is there, the next one leads on.
  if (!found || (isTouched && isNew)) return;
  const link = live.querySelector(".live-said a");
  // With the keys that were held, so that a browser can open it beside this page.
  const keys = { ctrlKey, metaKey, shiftKey };
  if (link) link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...keys }));
  else if (found.source === "community_area") map.fitBounds(bounds(found.shape), { padding: 16 });
}

// ---- the page around it

function whole(data) {
  const everything = { type: "x", coordinates: data.levels[0].geojson.features.map((one) => one.geometry.coordinates) };
  return map.cameraForBounds(bounds(everything), { padding: 12 });
}

function fit() {
  const { data } = state;
  const chosen = data.within && shape(...data.within), all = whole(data);
  state.city = all?.zoom;
  if (chosen) map.fitBounds(bounds(chosen.geometry), { padding: 24, animate: false });
  else if (all) map.jumpTo(all);
}

// Whoever chooses other figures of the same place goes on from where the map is.
function frame() {
  const { data: { city, within } } = state, place = JSON.stringify([city, within]);
  if (framed !== place) fit();
  framed = place;
}

function fetchLibrary() {
  const { library } = live.dataset;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${library}/maplibre-gl.css` }));
  return import(`${library}/maplibre-gl.mjs`);
}

async function load(maplibre) {
  const made = new maplibre.Map({
    container: canvas, attributionControl: false, cooperativeGestures: true, dragRotate: false, maxZoom: 18,
    pitchWithRotate: false, touchPitch: false, renderWorldCopies: false, validateStyle: false, fadeDuration: 0,
    style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": GROUND } }] },
  });
  made.keyboard.disableRotation();
  made.touchZoomRotate.disableRotation();
  made.getCanvas().addEventListener("webglcontextlost", () => lose(made), { once: true });
  await made.once("load");
  addLayers(made);
  made.on("move", change);
  made.on("idle", () => {
    if (!state) return;
    if (state.near) loadBlocks();
    live.dataset.ready = state.level;
  });
  made.on("mousemove", (event) => state && !isTouched && point(under(event.point), event.point));
  made.on("mouseout", () => state && !isTouched && point());
  made.on("click", (event) => state && follow(event));
  return made;
}

// A touch is followed by a mouse event that nobody made.
for (const kind of ["pointerdown", "pointermove"]) {
  canvas.addEventListener(kind, (event) => { isTouched = event.pointerType === "touch"; });
}

function turn(isOn) {
  live.hidden = !isOn;
  const picture = live.parentElement.querySelector(".picture");
  picture.classList.toggle("behind", isOn);
  picture.setAttribute("aria-describedby", isOn ? "live-help" : "reading-map");
  if (isOn) picture.removeAttribute("tabindex");
  else picture.setAttribute("tabindex", "0");
}

async function begin(element) {
  live = element;
  state = undefined;
  try {
    fetched ??= fetchLibrary();
    const [data, maplibre] = await Promise.all([json(live.dataset.figures), fetched]);
    const found = await Promise.all(data.levels.map((one) => kept(one.shapes)));
    data.levels.forEach((one, place) => { one.geojson = found[place]; });
    loaded ??= load(maplibre);
    map = await loaded;
    if (!data.levels[0].geojson.features.length || live !== element) return;
    showMap(data);
  } catch (error) {
    if (live === element) giveUp(error);
  }
}

// All that moves the map tells what is shown, so the state is whole before it.
function showMap(data) {
  const view = live.querySelector(".live-view"), picture = live.parentElement.querySelector(".picture");
  view.style.height = `${Math.max(picture.offsetHeight - LEGEND, 320)}px`;
  view.prepend(canvas);
  turn(true);
  map.resize();
  const all = whole(data);
  if (all) map.setMinZoom(all.zoom - 1);
  state = stateOf(data, all);
  draw();
  frame();
  change();
  map.getCanvas().setAttribute("aria-label", data.title);
  map.getCanvas().setAttribute("aria-describedby", "live-help");
}

// The picture says the same.
function giveUp(error) {
  state = undefined;
  turn(false);
  console.warn(error);
}

// The browser took its drawing away: the next choice begins with another map.
function lose(made) {
  state = loaded = framed = undefined;
  turn(false);
  made.remove();
}

function start() {
  const element = document.getElementById("live");
  if (element && element !== live) begin(element);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (!button || !state) return;
  if (button.dataset.zoom === "0") {
    fit();
    return;
  }
  // Whoever clicks again before the map has arrived wants to go on from there.
  state.aim = ((map.isMoving() && state.aim) || map.getZoom()) + Number(button.dataset.zoom);
  map.zoomTo(state.aim);
});

// Whoever goes through the picture's links sees on the map where they are.
document.addEventListener("focusin", (event) => {
  const link = event.target.closest?.(".behind a[href]");
  if (!state || !link) return;
  for (const one of state.data.levels) {
    const name = Object.keys(one.areas).find((each) => one.areas[each].link === link.getAttribute("href"));
    if (!name) continue;
    const { geometry } = shape(one.level, name), properties = { name, ...one.areas[name] };
    const [[west, south], [east, north]] = bounds(geometry), middle = [(west + east) / 2, (south + north) / 2];
    if (!map.getBounds().contains(middle)) map.jumpTo({ center: middle });
    point(told({ source: one.level, properties }), map.project(middle));
    return;
  }
});
document.addEventListener("focusout", (event) => {
  if (state && event.target.closest?.(".behind")) point();
});

// Only once it comes into sight, also after page.js has replaced the contents of the page.
function watch() {
  const seen = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) start();
  }, { rootMargin: "300px" });
  const observe = () => {
    const element = document.getElementById("live");
    seen.disconnect();
    if (element) seen.observe(element.parentElement);
  };
  new MutationObserver(observe).observe(document.body, { childList: true });
  observe();
}

if (document.createElement("canvas").getContext("webgl2")) {
  // Figures first.
  const soon = window.requestIdleCallback ?? ((call) => setTimeout(call, 200));
  if (document.readyState === "complete") soon(watch);
  else addEventListener("load", () => soon(watch));
}
