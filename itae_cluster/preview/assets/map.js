"use strict";
// The map: one dot a picture, drawn by the graphics card; as one zooms in, dots become thumbnails.

const map = find("#map"), canvas = find("#canvas"), captions = find("#captions"), card = find("#card");

const MOST_ZOOM = 1500;                          // times the view of everything
const DIMMED = 0.12;

const view = { k: 1, x: 0, y: 0 };  // a place (x, y) of the unit square is drawn at (x·k + view.x, y·k + view.y)
let width = 0, height = 0, fitted = 1;
let renderer = null, stage = null, dots = null, queued = false;
let hovered = -1;
let lit = null;  // what stands out: a function of the row, or null for everything
let thumbnailsOn = true;

const screenX = (row) => data.x[row] * view.k + view.x;
const screenY = (row) => data.y[row] * view.k + view.y;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const numberOf = (colour) => parseInt(colour.slice(1), 16);
let inks = {};  // colours of the theme and of each group, as numbers; read once, asking costs a frame

function readInks() {
  const noise = numberOf(css("--noise"));
  inks = { ink: numberOf(css("--ink")), ground: numberOf(css("--ground")), groups: groups.map(({ colour }, group) => isNoise(group) ? noise : numberOf(colour)) };
}
const mixed = (from, to, share) => [16, 8, 0].reduce((sum, bits) => sum | Math.round((from >> bits & 255) * (1 - share) + (to >> bits & 255) * share) << bits, 0);
const index = new vendor.KDBush(count);
for (let row = 0; row < count; row++) index.add(data.x[row], data.y[row]);
index.finish();

// --- dots ---------------------------------------------------------------------------------------

const DOT_VERTEX = `#version 300 es
precision highp float;
in vec2 aPosition;
in vec4 aColor;
uniform vec4 uView;  // scale and offset, from the unit square to the clip space
uniform float uSize;
out vec4 vColor;
void main() {
  gl_Position = vec4(aPosition * uView.xy + uView.zw, 0.0, 1.0);
  gl_PointSize = uSize;
  vColor = aColor;
}`;
const DOT_FRAGMENT = `#version 300 es
precision highp float;
in vec4 vColor;
uniform float uSize;
out vec4 finalColor;
void main() {
  float away = length(gl_PointCoord - 0.5) * uSize;
  float inside = clamp(uSize * 0.5 - away, 0.0, 1.0);
  finalColor = vec4(vColor.rgb, 1.0) * vColor.a * inside;
}`;

// Noise lies at the bottom, small clusters on large ones.
const drawingOrder = Array.from({ length: count }, (_, row) => row)
  .sort((a, b) => isNoise(data.group[b]) - isNoise(data.group[a]) || data.group[a] - data.group[b] || a - b);

function makeDots() {
  const places = new Float32Array(count * 2);
  drawingOrder.forEach((row, place) => places.set([data.x[row], data.y[row]], place * 2));
  const geometry = new vendor.Geometry({
    topology: "point-list",
    attributes: {
      aPosition: { buffer: places, format: "float32x2" },
      aColor: { buffer: new Uint8Array(count * 4), format: "unorm8x4" },
    },
  });
  const shader = vendor.Shader.from({
    gl: { vertex: DOT_VERTEX, fragment: DOT_FRAGMENT },
    resources: {
      dots: { uView: { value: new Float32Array(4), type: "vec4<f32>" }, uSize: { value: 6, type: "f32" } },
    },
  });
  return new vendor.Mesh({ geometry, shader });
}

// What stands out: what was asked for, within the time that was chosen. Asked once, not in every frame.
const bright = new Uint8Array(count).fill(1);
const isBright = (row) => bright[row] === 1;

function lightUp() {
  for (let row = 0; row < count; row++) bright[row] = (!lit || lit(row)) && isInSpan(row) ? 1 : 0;
  forgetPlaces();
}

function paintDots() {
  lightUp();
  if (!dots) return;
  const buffer = dots.geometry.getBuffer("aColor"), paint = buffer.data;
  const plain = count > 3000 ? 205 : 240;
  drawingOrder.forEach((row, place) => {
    const colour = inks.groups[data.group[row]];
    if (ticked.has(row)) return paint.set([inks.ink >> 16, inks.ink >> 8 & 255, inks.ink & 255, 255], place * 4);
    const alpha = isBright(row) ? plain : Math.round(255 * DIMMED);
    paint.set([colour >> 16, colour >> 8 & 255, colour & 255, alpha], place * 4);
  });
  buffer.update();
}

function dotRadius() {
  const base = Math.min(6, Math.max(1.5, 20 / Math.pow(count, 0.24)));
  return base * Math.min(1.8, Math.pow(view.k / fitted, 0.25)) * (width < 500 ? 0.8 : 1);
}

// --- drawing ------------------------------------------------------------------------------------

function queueDraw() {
  if (!queued) requestAnimationFrame(draw);
  queued = true;
}

function draw() {
  queued = false;
  if (renderer) drawThumbnails();
  placeFiles();
  placeCaptions();
  if (!renderer) return;
  const uniforms = dots.shader.resources.dots.uniforms;
  uniforms.uView.set([2 * view.k / width, -2 * view.k / height, 2 * view.x / width - 1, 1 - 2 * view.y / height]);
  uniforms.uSize = 2 * dotRadius() * renderer.resolution;
  dots.shader.resources.dots.update();
  renderer.render(stage);
}

function setLit(test) {
  lit = test;
  paintDots();
  queueDraw();
}

// --- moving about -------------------------------------------------------------------------------

const zoomer = vendor.zoom().clickDistance(4)
  .filter((event) => !event.button && !(event.type === "mousedown" && (event.shiftKey || lassoOn)) && !(event.type === "touchstart" && lassoOn))
  .on("zoom", ({ transform }) => { Object.assign(view, { k: transform.k, x: transform.x, y: transform.y }); showCard(-1); noteView(); queueDraw(); });
const surface = vendor.select(canvas).call(zoomer);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const moved = () => calm.matches ? surface : surface.transition().duration(450);

function viewOf(rows) {
  let x0 = 1, x1 = 0, y0 = 1, y1 = 0;
  for (const row of rows) {
    x0 = Math.min(x0, data.x[row]); x1 = Math.max(x1, data.x[row]);
    y0 = Math.min(y0, data.y[row]); y1 = Math.max(y1, data.y[row]);
  }
  const margin = Math.min(60, Math.min(width, height) * 0.09);
  const room = (pixels, length) => Math.max(pixels - 2 * margin, 1) / Math.max(length, 0.012);
  const k = Math.min(room(width, x1 - x0), room(height, y1 - y0));
  return vendor.zoomIdentity.translate(width / 2 - (x0 + x1) / 2 * k, height / 2 - (y0 + y1) / 2 * k).scale(k);
}

const everything = () => viewOf(data.x.keys());
const fitAll = () => moved().call(zoomer.transform, everything());
const zoomTo = (rows) => moved().call(zoomer.transform, viewOf(rows));
const zoomBy = (factor) => surface.call(zoomer.scaleBy, factor);

// Bring a picture into view without losing one's way: no closer than needed for its thumbnail.
function showOnMap(row) {
  const x = screenX(row), y = screenY(row), seen = x > 40 && y > 40 && x < width - 40 && y < height - 40;
  if (!seen) moved().call(zoomer.translateTo, data.x[row], data.y[row]);
}

function resize() {
  const first = !width, whole = Math.abs(view.k - fitted) < fitted * 1e-6;
  const [wasWide, wasHigh] = [width, height];
  width = map.clientWidth;
  height = map.clientHeight;
  if (!width || !height) return;
  fitted = everything().k;
  const { offsetLeft: left, offsetTop: top, offsetWidth: w, offsetHeight: h } = find("#tools");
  toolsBox = [left, top, left + w, top + h];
  zoomer.extent([[0, 0], [width, height]]).scaleExtent([fitted / 2, fitted * MOST_ZOOM]).translateExtent([[-0.6, -0.6], [1.6, 1.6]]);
  renderer?.resize(width, height, Math.min(2, devicePixelRatio || 1));
  if (first || whole) surface.call(zoomer.transform, everything());
  else surface.call(zoomer.transform, vendor.zoomIdentity.translate(view.x + (width - wasWide) / 2, view.y + (height - wasHigh) / 2).scale(view.k));
  if (Math.abs(fitted / settledFor - 1) > 0.05) settleThumbnails();
  queueDraw();
}

// --- pointing -----------------------------------------------------------------------------------

function rowAt(x, y, reach = 6) {
  for (const row of visibleThumbs) {
    const [w, h] = halvesOf(row);
    if (Math.abs(screenX(row) - x) <= w && Math.abs(screenY(row) - y) <= h) return row;
  }
  const far = (dotRadius() + reach) / view.k, px = (x - view.x) / view.k, py = (y - view.y) / view.k;
  let best = -1, least = Infinity;
  for (const row of index.within(px, py, far)) {
    const away = (data.x[row] - px) ** 2 + (data.y[row] - py) ** 2;
    if (away < least) { least = away; best = row; }
  }
  return best;
}

function showCard(row) {
  if (row === hovered) return;
  hovered = row;
  canvas.classList.toggle("over", row >= 0);
  card.hidden = row < 0;
  queueDraw();
  if (row < 0) return;
  const picture = card.querySelector("canvas"), tile = data.tile[row];
  picture.hidden = !tile;
  if (tile) {
    const scale = Math.min(176 / Math.max(tile[3], tile[4]), 2);
    picture.style.width = `${tile[3] * scale}px`;
    picture.style.height = `${tile[4] * scale}px`;
    picture.width = picture.height = 0;
    drawTile(picture, row, tile[3] * scale, tile[4] * scale);
  }
  const group = data.group[row];
  card.dataset.row = row;
  card.querySelector(".name").textContent = fileName(row);
  card.querySelector(".cluster").replaceChildren(swatch(group), clusterName(group));
  card.querySelector(".distance").textContent = typicality(row) ?? "";
  placeCard(row);
}

function placeCard(row) {
  const x = screenX(row), y = screenY(row);
  const gap = (visibleThumbs.includes(row) ? halvesOf(row)[0] : dotRadius()) + 10;
  const left = x + gap + card.offsetWidth < width - 6 ? x + gap : x - gap - card.offsetWidth;
  const top = Math.max(6, Math.min(y - card.offsetHeight / 2, height - card.offsetHeight - 6));
  card.style.transform = `translate(${Math.round(Math.max(6, left))}px, ${Math.round(top)}px)`;
}

const swatch = (group) => {
  const made = element("span", { class: "swatch" });
  made.style.backgroundColor = isNoise(group) ? "var(--noise)" : groups[group].colour;
  return made;
};

const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("pointermove", (event) => { if (!event.buttons && event.pointerType === "mouse") showCard(rowAt(...at(event))); });
canvas.addEventListener("pointerleave", () => showCard(-1));
canvas.addEventListener("click", (event) => {
  if (event.timeStamp - lassoEnded < 100) return;  // the click that ends a lasso
  const row = rowAt(...at(event), 10);
  if (row >= 0 && (event.ctrlKey || event.metaKey)) { lastTicked = row; tick([row], !ticked.has(row)); }
  else if (row >= 0) openPicture(row, { stay: true });
  else closeDetails();
});
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = (x, y) => surface.call(zoomer.translateBy, x / view.k, y / view.k);
  const act = {
    ArrowLeft: () => step(60, 0), ArrowRight: () => step(-60, 0), ArrowUp: () => step(0, 60), ArrowDown: () => step(0, -60),
    "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: fitAll,
    Enter: () => { const row = rowAt(width / 2, height / 2, Math.max(width, height)); if (row >= 0) openPicture(row, { focus: true }); },
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- beginning ----------------------------------------------------------------------------------

async function startMap() {
  width = 0;
  resize();
  try {
    const made = new vendor.WebGLRenderer();
    await made.init({ canvas, width, height, resolution: Math.min(2, devicePixelRatio || 1), autoDensity: false, backgroundAlpha: 0, antialias: false });
    stage = new vendor.Container();
    dots = makeDots();
    stage.addChild(dots);
    renderer = made;
  } catch (error) {
    find("#notice").textContent = "This browser offers no WebGL, which the map is drawn with. The lists work without it.";
    find("#notice").hidden = false;
    find("#captions").style.visibility = "hidden"; // they would lie over it
    console.warn(error);
  }
  readInks();
  paintDots();
  draw();
  setTimeout(() => { settleThumbnails(); queueDraw(); });
  new ResizeObserver(() => { if (map.clientWidth !== width || map.clientHeight !== height) resize(); }).observe(map);
}
