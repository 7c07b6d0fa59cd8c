// The layers of the map and their looks. What is shown when, and what is said about it, is decided in map.js.

export const GROUND = "#e9eef3", BESIDE = "#f1f3f5", FAINT = "#52606d", INK = "#1f2933", MARK = "#d97706", DOT = "#b35806";
export const EMPTY = { type: "FeatureCollection", features: [] };

function hatch() {
  const size = 8, image = { width: size, height: size, data: new Uint8Array(size * size * 4) };
  for (let place = 0; place < size * size; place++) {
    const stripe = (place % size + Math.floor(place / size)) % size < 2;
    image.data.set(stripe ? [82, 96, 109, 255] : [228, 231, 235, 255], place * 4);
  }
  return image;
}

export function addLayers(map) {
  map.addImage("hatch", hatch());
  const areas = ["district", "community_area", "beat"];
  for (const name of [...areas, ...areas.map((one) => `${one}-names`), "hot", "blocks", "marked", "pointed"]) {
    map.addSource(name, { type: "geojson", data: EMPTY });
  }
  const hidden = ["==", ["get", "fill"], "hidden"];
  const area = (name, kind, more) => map.addLayer({ id: `${name}-${kind}`, source: name, layout: {}, ...more });
  for (const name of [...areas, "hot"]) {
    area(name, "fill", { type: "fill", filter: ["!", hidden], paint: { "fill-color": ["get", "fill"] } });
    area(name, "hatch", { type: "fill", filter: hidden, paint: { "fill-pattern": "hatch" } });
    const thin = ["interpolate", ["linear"], ["zoom"], 10, 0.5, 13, 2];
    const line = name === "hot" ? { "line-color": DOT, "line-width": thin } : { "line-color": "#fff", "line-width": 1.2 };
    area(name, "line", { type: "line", paint: line });
  }
  const outline = (name, color, width) => area(name, "line", { type: "line", paint: { "line-color": color, "line-width": width } });
  outline("marked", INK, 2.5);
  outline("pointed", MARK, 3);
  const radius = ["interpolate", ["linear"], ["sqrt", ["get", "crimes"]], 1, 4, 30, 22];
  const dot = { "circle-radius": radius, "circle-color": DOT, "circle-opacity": 0.85, "circle-stroke-color": "#fff", "circle-stroke-width": 0.7 };
  area("blocks", "dots", { type: "circle", paint: dot });
  for (const name of areas) {
    const text = { "text-field": ["get", "label"], "text-size": 12, "text-font": ["sans-serif"], "text-padding": 4 };
    area(`${name}-names`, "text", { type: "symbol", layout: text, paint: { "text-color": ["get", "ink"] } });
  }
}

// The areas of a level with their figures, and a point for the name of each: an area may lie in several tiles.
export function features(one) {
  const areas = one.geojson.features.map((feature) => {
    const name = feature.properties.name;
    return { ...feature, properties: { name, fill: BESIDE, ink: FAINT, ...one.areas[name] } };
  });
  const names = areas.map(({ properties: { name, ink } }, place) => {
    const label = one.level === "district" ? name.replace(/^0+/, "") : name;
    const geometry = { type: "Point", coordinates: one.geojson.features[place].properties.middle };
    return { type: "Feature", properties: { label, ink }, geometry };
  });
  return [areas, names].map((found) => ({ type: "FeatureCollection", features: found }));
}

export function cells(hot) {
  const found = hot.map((cell) => (
    { type: "Feature", properties: cell, geometry: { type: "Polygon", coordinates: [[...cell.ring, cell.ring[0]]] } }
  ));
  return { type: "FeatureCollection", features: found };
}

export function dots(blocks) {
  const found = blocks.map(([name, longitude, latitude, crimes]) => {
    const said = `${crimes.toLocaleString("en")} crime${crimes === 1 ? "" : "s"}`;
    return { type: "Feature", properties: { name, crimes, said }, geometry: { type: "Point", coordinates: [longitude, latitude] } };
  });
  return { type: "FeatureCollection", features: found };
}

// Southwest and northeast corner.
export function bounds(geometry) {
  const all = geometry.coordinates.flat(Infinity), box = [180, 90, -180, -90];
  for (let at = 0; at < all.length; at += 2) {
    box[0] = Math.min(box[0], all[at]);
    box[1] = Math.min(box[1], all[at + 1]);
    box[2] = Math.max(box[2], all[at]);
    box[3] = Math.max(box[3], all[at + 1]);
  }
  return [box.slice(0, 2), box.slice(2)];
}
