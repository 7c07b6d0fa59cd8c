// The map that can be zoomed: it takes the place of the picture once the page is there, where the browser has WebGL 2.
// It says nothing that the tables do not; the picture stays for print, and its links for the keyboard.

import { EMPTY, GROUND, addLayers, bounds, cells, dots, features } from "./map-layers.js";
import { describe, key } from "./map-said.js";

// How many zoom levels beyond the whole city each is shown from.
const STEPS = { community_area: 0.9, beat: 1.8, blocks: 3.3 };

// Pixels that the legend takes of the height of the picture.
const LEGEND = 120;

const canvas = Object.assign(document.createElement("div"), { className: "live-canvas" });
const shapes = new Map(); // address → promise of GeoJSON
let fetched; // promise of MapLibre
let map; // its map
let loaded; // promise of the map with its layers
let live; // the element of the page that is shown
let data; // figures of what is shown, with the shapes in each level
let blocks; // district → promise of its blocks
let undrawn; // how many of them are hidden, and how many have no place
let hotSpots; // promise of them
let city; // zoom at which the whole city fits
let aim; // zoom that was asked for last
let level; // that is shown
let isTouched; // rather than pointed at with a mouse
let pointed; // id of what is pointed at

const json = async (address) => {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
};

const kept = (address) => {
  if (!shapes.has(address)) shapes.set(address, json(address));
  return shapes.get(address);
};

// ---- what is drawn

function draw() {
  for (const one of data.levels) {
    const [areas, names] = features(one);
    map.getSource(one.level).setData(areas);
    map.getSource(`${one.level}-names`).setData(names);
  }
  for (const name of ["hot", "blocks"]) map.getSource(name).setData(EMPTY);
  const chosen = data.within && shape(...data.within);
  map.getSource("marked").setData(chosen || EMPTY);
  blocks = new Map();
  undrawn = [0, 0];
  hotSpots = undefined;
  level = undefined;
  point();
  change();
}

// ---- what is shown at which zoom

function change() {
  if (!data) return;
  const order = data.levels.map((one) => one.level);
  const beyond = map.getZoom() - city + 0.01;
  const byZoom = beyond >= STEPS.beat ? "beat" : beyond >= STEPS.community_area ? "community_area" : "district";
  const now = order[Math.max(order.indexOf(byZoom), order.indexOf(data.coarsest))];
  const near = beyond >= STEPS.blocks && !data.shows_hot_spots;
  const shown = `${now}${near ? " blocks" : ""}`;
  if (level === shown) return;
  level = shown;
  const hot = data.shows_hot_spots || beyond >= STEPS.beat;
  for (const { id, source } of map.getStyle().layers) {
    const of = source?.replace("-names", "");
    if (order.includes(of)) show(id, of === now);
    if (source === "hot") show(id, hot);
    if (source === "blocks") show(id, near);
  }
  if (hot) loadHotSpots().catch(giveUp);
  // Beside figures of areas, hot spots are outlines only.
  for (const kind of ["fill", "hatch"]) {
    map.setPaintProperty(`hot-${kind}`, "fill-opacity", data.shows_hot_spots ? 0.85 : 0);
  }
  tell(now, hot, near);
}

const show = (id, isShown) => map.setLayoutProperty(id, "visibility", isShown ? "visible" : "none");

async function loadHotSpots() {
  const mine = hotSpots ??= json(live.dataset.hotspots);
  const found = await mine;
  if (mine !== hotSpots) return;
  map.getSource("hot").setData(cells(found.cells));
  key(live, data.shows_hot_spots ? found.key : [["outline", found.title]], "hot");
}

// Those of the districts in view, each once.
async function loadBlocks() {
  const mine = blocks;
  const links = map.queryRenderedFeatures({ layers: ["beat-fill", "beat-hatch"] }).map((beat) => beat.properties.link);
  const inView = links.filter(Boolean).map((link) => new URLSearchParams(link.slice(2)).get("district"));
  const wanted = [...new Set(inView)].filter((district) => !mine.has(district));
  if (!wanted.length) return;
  for (const district of wanted) {
    const [path, query] = live.dataset.blocks.split("?"), asked = new URLSearchParams(query);
    asked.set("district", district);
    mine.set(district, json(`${path}?${asked}`));
  }
  const found = await Promise.all(mine.values());
  if (mine !== blocks) return;
  map.getSource("blocks").setData(dots(found.flatMap((one) => one.blocks)));
  undrawn = ["hidden", "unplaced"].map((kind) => found.reduce((sum, one) => sum + one[kind], 0));
  tellBlocks();
}

// ---- what is said about it

function tell(now, hot, near) {
  const one = data.levels.find((each) => each.level === now);
  const parts = [one.title, ...(hot ? ["hot spots"] : []), ...(near ? ["blocks"] : [])];
  live.querySelector(".live-shown").textContent = `Shown: ${parts.join(", ")}`;
  live.querySelector(".live-key").replaceChildren();
  key(live, one.key, "areas");
  if (hot) key(live, [["outline", "Hot spots"]], "hot");
  if (near) tellBlocks();
}

function tellBlocks() {
  const [hidden, unplaced] = undrawn.map((count) => count.toLocaleString("en"));
  key(live, [["dot", `Blocks by their crimes; not drawn: ${hidden} that are not shown, ${unplaced} without a place`]], "blocks");
}

// ---- what is pointed at

const shape = (name, area) => data.levels.find((one) => one.level === name).geojson.features.find((each) => each.properties.name === area);

function under(place) {
  const now = level.split(" ")[0];
  const at = (...layers) => map.queryRenderedFeatures(place, { layers })[0];
  const area = at(`${now}-fill`, `${now}-hatch`), hot = at("hot-fill", "hot-hatch");
  const found = at("blocks-dots") ?? (data.shows_hot_spots ? hot ?? area : area);
  return found && told(found, hot);
}

// What is said about a feature, and about the hot spot that it is looked at in.
function told({ source, properties, geometry }, hot) {
  const one = data.levels.find((each) => each.level === source);
  const title = one ? `${one.singular} ${properties.name}` : properties.name;
  const beside = one && !properties.said && !data.shows_hot_spots && "Outside of what was chosen.";
  const inHot = hot && source !== "hot" && `In a hot spot: ${hot.properties.said} in its cell.`;
  const lines = [properties.said, beside, properties.change, inHot, properties.said && data.known].filter(Boolean);
  return { id: `${source} ${properties.name}`, source, title, lines, link: properties.link, shape: one ? shape(source, properties.name).geometry : geometry };
}

function point(found, place) {
  if (found) describe(live, found, place);
  else live.querySelector(".live-said").hidden = true;
  if (pointed === found?.id) return;
  pointed = found?.id;
  map.getSource("pointed").setData(found ? { type: "Feature", properties: {}, geometry: found.shape } : EMPTY);
  map.getCanvas().style.cursor = found ? "pointer" : "";
}

function follow(event) {
  const found = under(event.point);
  const isNew = found?.id !== pointed;
  point(found, event.point);
  // A finger cannot hover: the first touch says what is there, the next one leads on.
  if (!found || (isTouched && isNew)) return;
  const link = live.querySelector(".live-said a");
  if (link) link.click();
  else if (found.source === "community_area") map.fitBounds(bounds(found.shape), { padding: 16 });
}

// ---- the page around it

function fit() {
  const everything = { type: "x", coordinates: data.levels[0].geojson.features.map((one) => one.geometry.coordinates) };
  const whole = map.cameraForBounds(bounds(everything), { padding: 12 });
  if (!whole) return;
  city = whole.zoom;
  map.setMinZoom(city - 1);
  const chosen = data.within && shape(...data.within);
  if (chosen) map.fitBounds(bounds(chosen.geometry), { padding: 24, animate: false });
  else map.jumpTo(whole);
}

function fetchLibrary() {
  const { library } = live.dataset;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${library}/maplibre-gl.css` }));
  return import(`${library}/maplibre-gl.mjs`);
}

async function load(maplibre) {
  map = new maplibre.Map({
    container: canvas, attributionControl: false, cooperativeGestures: true, dragRotate: false, maxZoom: 18,
    pitchWithRotate: false, touchPitch: false, renderWorldCopies: false, validateStyle: false, fadeDuration: 0,
    style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": GROUND } }] },
  });
  map.keyboard.disableRotation();
  map.touchZoomRotate.disableRotation();
  await map.once("load");
  addLayers(map);
  map.on("move", change);
  map.on("idle", () => {
    if (!data) return;
    if (level.endsWith("blocks")) loadBlocks().catch(giveUp);
    live.dataset.ready = level;
  });
  // A touch is followed by a mouse event that nobody made.
  for (const kind of ["pointerdown", "pointermove"]) {
    canvas.addEventListener(kind, (event) => { isTouched = event.pointerType === "touch"; });
  }
  map.on("mousemove", (event) => data && !isTouched && point(under(event.point), event.point));
  map.on("mouseout", () => data && !isTouched && point());
  map.on("click", (event) => data && follow(event));
  map.getCanvas().addEventListener("webglcontextlost", () => turn(false));
}

function turn(isOn) {
  live.hidden = !isOn;
  const picture = live.parentElement.querySelector(".picture");
  picture.classList.toggle("behind", isOn);
  if (isOn) picture.removeAttribute("tabindex");
  else picture.setAttribute("tabindex", "0");
}

async function begin(element) {
  live = element;
  data = undefined;
  try {
    fetched ??= fetchLibrary();
    const [figures, maplibre] = await Promise.all([json(live.dataset.figures), fetched]);
    const found = await Promise.all(figures.levels.map((one) => kept(one.shapes)));
    figures.levels.forEach((one, place) => { one.geojson = found[place]; });
    loaded ??= load(maplibre);
    await loaded;
    if (!figures.levels[0].geojson.features.length || live !== element) return;
    data = figures;
    const view = live.querySelector(".live-view"), picture = live.parentElement.querySelector(".picture");
    view.style.height = `${Math.max(picture.offsetHeight - LEGEND, 320)}px`;
    view.prepend(canvas);
    turn(true);
    map.resize();
    fit();
    draw();
    map.getCanvas().setAttribute("aria-label", data.title);
    map.getCanvas().setAttribute("aria-describedby", "live-help");
  } catch (error) {
    if (live === element) giveUp(error);
  }
}

// The picture says the same.
function giveUp(error) {
  turn(false);
  console.warn(error);
}

function start() {
  const element = document.getElementById("live");
  if (element && element !== live) begin(element);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (!button) return;
  if (button.dataset.zoom === "0") {
    fit();
    return;
  }
  // Whoever clicks again before the map has arrived wants to go on from there.
  aim = (map.isMoving() ? aim : map.getZoom()) + Number(button.dataset.zoom);
  map.zoomTo(aim);
});

// Whoever goes through the picture's links sees on the map where they are.
document.addEventListener("focusin", (event) => {
  const link = event.target.closest?.(".behind a[href]");
  if (!data || !link) return;
  for (const one of data.levels) {
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
  if (data && event.target.closest?.(".behind")) point();
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
