// The map that can be zoomed: it takes the place of the picture once the page is there, where the browser has WebGL 2.
// It says nothing that the tables do not; the picture stays for print, and its links for the keyboard.

const STEPS = { community_area: 0.9, beat: 1.8, blocks: 3.3 };
// How many zoom levels beyond the whole city each is shown from.
const GROUND = "#e9eef3", BESIDE = "#f1f3f5", FAINT = "#52606d", INK = "#1f2933", MARK = "#d97706", DOT = "#b35806";
const EMPTY = { type: "FeatureCollection", features: [] };

const canvas = Object.assign(document.createElement("div"), { className: "live-canvas" });
const shapes = new Map(); // address → promise of GeoJSON
let map; // MapLibre's, once it is loaded
let live; // the element of the page that is shown
let data; // figures of what is shown, with the shapes in each level
let blocks; // district → promise of its blocks
let city; // zoom at which the whole city fits
let level; // that is shown
let pointed; // name of what is pointed at

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

function hatch() {
  const size = 8, image = { width: size, height: size, data: new Uint8Array(size * size * 4) };
  for (let place = 0; place < size * size; place++) {
    const stripe = (place % size + Math.floor(place / size)) % size < 2;
    image.data.set(stripe ? [82, 96, 109, 255] : [228, 231, 235, 255], place * 4);
  }
  return image;
}

function addLayers() {
  map.addImage("hatch", hatch());
  for (const name of ["district", "community_area", "beat", "hot", "blocks", "marked", "pointed"]) {
    map.addSource(name, { type: "geojson", data: EMPTY });
  }
  const hidden = ["==", ["get", "fill"], "hidden"];
  const area = (name, kind, more) => map.addLayer({ id: `${name}-${kind}`, source: name, layout: {}, ...more });
  for (const name of ["district", "community_area", "beat", "hot"]) {
    const seen = name === "hot" ? ["interpolate", ["linear"], ["zoom"], 12, 0.85, 15, 0.25] : 1;
    area(name, "fill", { type: "fill", filter: ["!", hidden], paint: { "fill-color": ["get", "fill"], "fill-opacity": seen } });
    area(name, "hatch", { type: "fill", filter: hidden, paint: { "fill-pattern": "hatch", "fill-opacity": seen } });
    const line = name === "hot" ? { "line-color": DOT, "line-width": 2 } : { "line-color": "#fff", "line-width": 1.2 };
    area(name, "line", { type: "line", paint: line });
  }
  const outline = (name, color, width) => area(name, "line", { type: "line", paint: { "line-color": color, "line-width": width } });
  outline("marked", INK, 2.5);
  outline("pointed", MARK, 3);
  const radius = ["interpolate", ["linear"], ["sqrt", ["get", "crimes"]], 1, 4, 30, 22];
  const dot = { "circle-radius": radius, "circle-color": DOT, "circle-opacity": 0.65, "circle-stroke-color": "#fff", "circle-stroke-width": 0.7 };
  area("blocks", "dots", { type: "circle", paint: dot });
  for (const name of ["district", "community_area", "beat"]) {
    const text = { "text-field": ["get", "label"], "text-size": 12, "text-font": ["sans-serif"], "text-padding": 4 };
    area(name, "name", { type: "symbol", layout: text, paint: { "text-color": ["get", "ink"] } });
  }
}

function features(one) {
  const found = one.geojson.features.map((feature) => {
    const name = feature.properties.name, figures = one.areas[name];
    const properties = { name, label: name.replace(/^0+/, ""), fill: BESIDE, ink: FAINT, ...figures };
    return { ...feature, properties };
  });
  return { type: "FeatureCollection", features: found };
}

function draw() {
  for (const one of data.levels) map.getSource(one.level).setData(features(one));
  const cells = data.hot.cells.map((cell) => ({
    type: "Feature", properties: cell, geometry: { type: "Polygon", coordinates: [[...cell.ring, cell.ring[0]]] },
  }));
  map.getSource("hot").setData({ type: "FeatureCollection", features: cells });
  map.getSource("blocks").setData(EMPTY);
  const chosen = data.within && shape(...data.within);
  map.getSource("marked").setData(chosen || EMPTY);
  blocks = new Map();
  level = undefined;
  point(null);
  change();
}

// ---- what is shown at which zoom

function change() {
  if (!data) return;
  const order = data.levels.map((one) => one.level);
  const beyond = map.getZoom() - city + 0.01;
  const byZoom = beyond >= STEPS.beat ? "beat" : beyond >= STEPS.community_area ? "community_area" : "district";
  const now = order[Math.max(order.indexOf(byZoom), order.indexOf(data.coarsest))];
  const near = beyond >= STEPS.blocks;
  const shown = `${now}${near ? " blocks" : ""}`;
  if (near) loadBlocks();
  if (level === shown) return;
  level = shown;
  const hot = data.shows_hot_spots || now === "beat" && beyond >= STEPS.beat;
  for (const { id, source } of map.getStyle().layers) {
    if (source in { district: 1, community_area: 1, beat: 1 }) show(id, source === now);
    if (source === "hot") show(id, hot && (data.shows_hot_spots || id === "hot-line"));
    if (source === "blocks") show(id, near);
  }
  tell(now, hot, near);
}

const show = (id, isShown) => map.setLayoutProperty(id, "visibility", isShown ? "visible" : "none");

async function loadBlocks() {
  const mine = data;
  const at = map.queryRenderedFeatures({ layers: ["beat-fill", "beat-hatch"] });
  const links = at.map((feature) => feature.properties.link).filter(Boolean);
  const wanted = new Set(links.map((link) => new URLSearchParams(link.slice(2)).get("district")));
  for (const district of wanted) {
    const query = new URLSearchParams(live.dataset.blocks.split("?")[1]);
    query.set("district", district);
    if (!blocks.has(district)) blocks.set(district, json(`/map/blocks.json?${query}`));
  }
  const found = await Promise.all(blocks.values());
  if (mine !== data) return;
  const dots = found.flatMap((one) => one.blocks).map(([name, longitude, latitude, crimes]) => ({
    type: "Feature",
    properties: { name, crimes, said: `${crimes.toLocaleString("en")} crime${crimes === 1 ? "" : "s"}` },
    geometry: { type: "Point", coordinates: [longitude, latitude] },
  }));
  map.getSource("blocks").setData({ type: "FeatureCollection", features: dots });
  const hidden = found.reduce((sum, one) => sum + one.hidden, 0);
  live.dataset.blocksShown = dots.length;
  key([["dot", `blocks by their crimes${hidden ? `; ${hidden.toLocaleString("en")} with too few are not drawn` : ""}`]], "blocks");
}

// ---- what is said about it

function tell(now, hot, near) {
  const one = data.levels.find((each) => each.level === now);
  live.dataset.level = level;
  const parts = [one.title, ...(hot ? ["hot spots"] : []), ...(near ? ["blocks"] : [])];
  live.querySelector(".live-shown").textContent = `Shown: ${parts.join(", ")}`;
  live.querySelector(".live-key").replaceChildren();
  key(one.key, "areas");
  if (hot) key(data.shows_hot_spots ? data.hot.key : [["outline", data.hot.title]], "hot");
  if (near) key([["dot", "blocks by their crimes"]], "blocks");
}

function key(entries, group) {
  const list = live.querySelector(".live-key");
  for (const old of list.querySelectorAll(`[data-group=${group}]`)) old.remove();
  for (const [fill, said] of entries) {
    const entry = Object.assign(document.createElement("li"), { textContent: said });
    const swatch = document.createElement("span");
    if (fill.startsWith("#")) swatch.style.background = fill;
    else swatch.className = fill;
    entry.dataset.group = group;
    entry.prepend(swatch);
    list.append(entry);
  }
}

function describe(found, place) {
  const box = live.querySelector(".live-said");
  const lines = [found.said, found.change, found.said && data.known].filter(Boolean);
  const parts = lines.map((text) => Object.assign(document.createElement("p"), { textContent: text }));
  box.replaceChildren(Object.assign(document.createElement("strong"), { textContent: found.title }), ...parts);
  if (found.link) {
    box.append(Object.assign(document.createElement("a"), { href: found.link, textContent: `To ${found.title}` }));
  }
  box.hidden = false;
  const { clientWidth: width, clientHeight: height } = canvas;
  box.style.left = `${Math.max(0, Math.min(place.x + 14, width - box.offsetWidth - 4))}px`;
  const below = place.y + 14 + box.offsetHeight < height;
  box.style.top = `${Math.max(0, below ? place.y + 14 : place.y - 14 - box.offsetHeight)}px`;
}

// ---- what is pointed at

const shape = (name, area) => data.levels.find((one) => one.level === name).geojson.features.find((each) => each.properties.name === area);

function under(place) {
  const now = level.split(" ")[0];
  const layers = ["blocks-dots", "hot-fill", "hot-hatch", `${now}-fill`, `${now}-hatch`];
  return map.queryRenderedFeatures(place, { layers })[0];
}

function titled(feature) {
  const { properties, source } = feature;
  const one = data.levels.find((each) => each.level === source);
  const outside = one && !properties.said && !data.shows_hot_spots;
  return { ...properties, title: one ? `${one.singular} ${properties.name}` : properties.name, change: outside ? "Outside of what was chosen." : properties.change };
}

function point(feature, place) {
  const name = feature ? `${feature.source} ${feature.properties.name}` : null;
  if (feature) describe(titled(feature), place);
  else live.querySelector(".live-said").hidden = true;
  if (name === pointed) return;
  pointed = name;
  const whole = feature && (feature.source === "hot" || feature.source === "blocks" ? feature : shape(feature.source, feature.properties.name));
  map.getSource("pointed").setData(whole ? { type: "Feature", properties: {}, geometry: whole.geometry } : EMPTY);
  map.getCanvas().style.cursor = feature ? "pointer" : "";
}

function bounds(geometry) {
  const all = geometry.coordinates.flat(Infinity), box = [180, 90, -180, -90];
  for (let at = 0; at < all.length; at += 2) {
    box[0] = Math.min(box[0], all[at]);
    box[1] = Math.min(box[1], all[at + 1]);
    box[2] = Math.max(box[2], all[at]);
    box[3] = Math.max(box[3], all[at + 1]);
  }
  return [box.slice(0, 2), box.slice(2)];
}

function follow(event) {
  const feature = under(event.point);
  const isTouch = event.originalEvent.pointerType === "touch";
  const isNew = !feature || `${feature.source} ${feature.properties.name}` !== pointed;
  point(feature, event.point);
  // A finger cannot hover: the first touch says what is there, the next one leads on.
  if (!feature || (isTouch && isNew)) return;
  const link = live.querySelector(".live-said a");
  if (link) link.click();
  else if (feature.source === "community_area") map.fitBounds(bounds(shape(feature.source, feature.properties.name).geometry), { padding: 16 });
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

async function load() {
  const { library } = live.dataset;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${library}/maplibre-gl.css` }));
  const maplibre = await import(`${library}/maplibre-gl.mjs`);
  map = new maplibre.Map({
    container: canvas, attributionControl: false, cooperativeGestures: true, dragRotate: false, maxZoom: 18,
    pitchWithRotate: false, touchPitch: false, renderWorldCopies: false, validateStyle: false, fadeDuration: 0,
    style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": GROUND } }] },
  });
  map.keyboard.disableRotation();
  map.touchZoomRotate.disableRotation();
  await map.once("load");
  addLayers();
  map.on("move", change);
  map.on("moveend", change);
  map.on("idle", () => { live.dataset.ready = "yes"; });
  map.on("mousemove", (event) => point(under(event.point), event.point));
  map.on("mouseout", () => point(null));
  map.on("click", follow);
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
  const picture = live.parentElement.querySelector(".picture");
  const height = Math.max(picture.offsetHeight, 320);
  try {
    const asked = json(live.dataset.figures);
    const figures = await asked;
    const found = await Promise.all(figures.levels.map((one) => kept(one.shapes)));
    figures.levels.forEach((one, place) => { one.geojson = found[place]; });
    if (!figures.levels[0].geojson.features.length || live !== element) return;
    live.querySelector(".live-view").style.height = `${height}px`;
    live.querySelector(".live-view").prepend(canvas);
    turn(true);
    if (!map) await load();
    if (live !== element) return;
    data = figures;
    map.resize();
    fit();
    draw();
    map.getCanvas().setAttribute("aria-label", data.title);
    map.getCanvas().setAttribute("aria-describedby", "live-help");
  } catch (error) {
    // The picture says the same.
    turn(false);
    console.warn(error);
  }
}

function start() {
  const element = document.getElementById("live");
  if (element && element !== live) begin(element);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (!button) return;
  if (button.dataset.zoom === "0") fit();
  else map.zoomTo(map.getZoom() + Number(button.dataset.zoom));
});

// Whoever goes through the picture's links sees on the map where they are.
document.addEventListener("focusin", (event) => {
  const link = event.target.closest?.(".behind a[href]");
  if (!data || !link) return;
  for (const one of data.levels) {
    const name = Object.keys(one.areas).find((each) => one.areas[each].link === link.getAttribute("href"));
    if (!name) continue;
    const { geometry } = shape(one.level, name);
    const [[west, south], [east, north]] = bounds(geometry), middle = [(west + east) / 2, (south + north) / 2];
    if (!map.getBounds().contains(middle)) map.jumpTo({ center: middle });
    point({ source: one.level, properties: { name, ...one.areas[name] } }, map.project(middle));
    return;
  }
});
document.addEventListener("focusout", (event) => {
  if (data && event.target.closest?.(".behind")) point(null);
});

function whenVisible() {
  const element = document.getElementById("live");
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    start();
    // page.js replaces the page's contents.
    new MutationObserver(start).observe(document.body, { childList: true });
  });
  if (element) seen.observe(element.parentElement);
}

if (document.createElement("canvas").getContext("webgl2")) {
  // Figures first.
  const soon = window.requestIdleCallback ?? ((call) => setTimeout(call, 200));
  if (document.readyState === "complete") soon(whenVisible);
  else addEventListener("load", () => soon(whenVisible));
}
