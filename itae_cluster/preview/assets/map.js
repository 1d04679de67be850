"use strict";
// The map: one dot a picture, drawn by the graphics card; as one zooms in, dots become thumbnails.

const map = find("#map"), canvas = find("#canvas"), captions = find("#captions"), card = find("#card");

const SMALLEST_THUMB = 34, LARGEST_THUMB = 128;  // CSS pixels
const MOST_ZOOM = 1500;                          // times the view of everything
const MOST_TEXTURES = 12;                        // sheets on the graphics card at once, 16 MB each
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

function paintDots() {
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

// --- thumbnails ---------------------------------------------------------------------------------
// Which dots are thumbnails at which zoom is settled once: a picture is shown as soon as it has
// room beside those shown before it, the representatives of clusters first. None hides another.

const shownFrom = new Float64Array(count).fill(Infinity);  // the zoom at which a row has room
const thumbSize = (k) => Math.min(LARGEST_THUMB, SMALLEST_THUMB * Math.pow(Math.max(1, k / fitted), 0.42)) * (width < 500 ? 0.85 : 1);
let settledFor = 0;

function settleThumbnails() {
  settledFor = fitted;
  shownFrom.fill(Infinity);
  const turn = Float64Array.from(placeOf);
  for (const { typical, diverse } of groups) [...diverse, ...typical].forEach((row) => { turn[row] = 0; });
  let waiting = drawingOrder.filter((row) => data.tile[row]).sort((a, b) => turn[a] - turn[b] || a - b);
  const shown = [];
  for (let k = fitted; waiting.length && k < fitted * MOST_ZOOM; k *= Math.SQRT2) {
    const room = thumbSize(k) * 1.1 / k, taken = new Map();
    const cell = (x, y) => Math.floor(x) * 0x100000 + Math.floor(y);
    const put = (row) => {
      const key = cell(data.x[row] / room, data.y[row] / room);
      if (taken.has(key)) taken.get(key).push(row); else taken.set(key, [row]);
    };
    const free = (row) => {
      const x = data.x[row], y = data.y[row];
      for (let dx = -1; dx <= 1; dx++) for (let dy = -1; dy <= 1; dy++) {
        for (const other of taken.get(cell(x / room + dx, y / room + dy)) ?? []) {
          if (Math.abs(data.x[other] - x) < room && Math.abs(data.y[other] - y) < room) return false;
        }
      }
      return true;
    };
    shown.forEach(put);
    waiting = waiting.filter((row) => {
      if (!free(row)) return true;
      shownFrom[row] = k > fitted ? k : 0;
      shown.push(row);
      put(row);
      return false;
    });
  }
  for (const row of waiting) shownFrom[row] = fitted * MOST_ZOOM / 2;
}

const textures = new Map();  // sheet → its texture source, null while it is being read; least recent first
const tileTextures = new Map();
const frames = [];
let visibleThumbs = [];

function sheetTexture(sheet) {
  const known = textures.get(sheet);
  if (known === undefined) {
    textures.set(sheet, null);
    sheetImage(sheet).then((image) => {
      textures.set(sheet, new vendor.ImageSource({ resource: image, autoGenerateMipmaps: true }));
      queueDraw();
    });
  } else if (known) {
    textures.delete(sheet);
    textures.set(sheet, known);
  }
  return known;
}

function dropTextures() {
  for (const [sheet, source] of textures) {
    if (textures.size <= MOST_TEXTURES) return;
    if (!source || visibleThumbs.some((row) => data.tile[row][0] === sheet)) continue;
    textures.delete(sheet);
    for (const [row, texture] of tileTextures) {
      if (texture.source === source) tileTextures.delete(row);
    }
    source.destroy();
  }
}

function tileTexture(row) {
  const [sheet, left, top, w, h] = data.tile[row];
  const source = sheetTexture(sheet);
  if (source && !tileTextures.has(row)) {
    tileTextures.set(row, new vendor.Texture({ source, frame: new vendor.Rectangle(left, top, w, h) }));
  }
  return source ? tileTextures.get(row) : null;
}

function drawThumbnails() {
  const size = thumbSize(view.k), thin = size < 44 ? 1.5 : 2;
  visibleThumbs = [];
  if (thumbnailsOn) {
    for (let row = 0; row < count; row++) {
      if (shownFrom[row] > view.k) continue;
      const x = screenX(row), y = screenY(row);
      if (x > -size && y > -size && x < width + size && y < height + size) visibleThumbs.push(row);
    }
  }
  if (lit || span) visibleThumbs = brightFirst(visibleThumbs, size);
  let used = 0;
  for (const row of visibleThumbs) {
    const texture = tileTexture(row);
    if (!texture) continue;
    const [, , , w, h] = data.tile[row];
    const frame = frames[used] ?? makeFrame();
    // A thumbnail that has just got room grows to its size over the first part of the way.
    const grown = Math.min(1, 0.4 + Math.max(0, view.k / shownFrom[row] - 1) * 4);
    const scale = size / Math.max(w, h) * ((lit || span) && isBright(row) ? 1 : grown);
    const isTicked = ticked.has(row), bright = isTicked || isBright(row), border = isTicked ? thin + 2 : thin;
    const x = Math.round(screenX(row)), y = Math.round(screenY(row));
    frame.edge.position.set(x, y);
    frame.edge.setSize(w * scale + 2 * border, h * scale + 2 * border);
    // The frame is opaque even where it is dimmed: the dot below it is not to shine through.
    frame.edge.tint = row === hovered || isTicked ? inks.ink : bright ? inks.groups[data.group[row]] : mixed(inks.ground, inks.groups[data.group[row]], DIMMED);
    frame.picture.texture = texture;
    frame.picture.position.set(x, y);
    frame.picture.setSize(w * scale, h * scale);
    frame.picture.alpha = bright ? 1 : DIMMED;
    frame.edge.visible = frame.picture.visible = true;
    used += 1;
  }
  for (const frame of frames.slice(used)) frame.edge.visible = frame.picture.visible = false;
  dropTextures();
}

// What stands out: what was asked for, within the time that was chosen.
const isBright = (row) => (!lit || lit(row)) && isInSpan(row);

// Bright pictures take their room first, whether or not they would have it otherwise, and lie above.
function brightFirst(usual, size) {
  const room = size * 1.1, taken = new Map(), bright = [];
  const key = (x, y) => Math.floor(x / room) * 0x10000 + Math.floor(y / room);
  const isFree = (row) => {
    const x = screenX(row), y = screenY(row);
    for (let dx = -1; dx <= 1; dx++) for (let dy = -1; dy <= 1; dy++) {
      for (const [left, top] of taken.get(key(x + dx * room, y + dy * room)) ?? []) {
        if (Math.abs(left - x) < room && Math.abs(top - y) < room) return false;
      }
    }
    return true;
  };
  const take = (row) => {
    const place = key(screenX(row), screenY(row)), spot = [screenX(row), screenY(row)];
    if (taken.has(place)) taken.get(place).push(spot); else taken.set(place, [spot]);
  };
  for (let row = 0; row < count; row++) {
    if (!data.tile[row] || !isBright(row)) continue;
    const x = screenX(row), y = screenY(row);
    if (x > -size && y > -size && x < width + size && y < height + size) bright.push(row);
  }
  bright.sort((a, b) => placeOf[a] - placeOf[b] || a - b);
  const above = bright.filter((row) => { const free = isFree(row); if (free) take(row); return free; });
  return [...usual.filter((row) => !isBright(row) && isFree(row)), ...above];
}

function makeFrame() {
  const frame = { edge: new vendor.Sprite(vendor.Texture.WHITE), picture: new vendor.Sprite() };
  frame.edge.anchor.set(0.5);
  frame.picture.anchor.set(0.5);
  stage.addChild(frame.edge, frame.picture);
  frames.push(frame);
  return frame;
}

// --- captions -----------------------------------------------------------------------------------

let captionOf = new Map();

function makeCaptions() {
  captions.replaceChildren();
  captionOf = new Map();
  groups.forEach(({ count: size }, group) => {
    if (isNoise(group)) return;
    const caption = element("button", { type: "button", class: "caption", tabindex: -1, "data-group": group, onclick: () => openCluster(group) },
      element("span", { class: "label" }, shortName(group)), element("span", { class: "count" }, number(size)));
    caption.style.setProperty("--colour", groups[group].colour);
    captions.append(caption);
    captionOf.set(group, { caption, w: caption.offsetWidth, h: caption.offsetHeight });
  });
}

// Beside what it names: below the anchor's thumbnail or dot, or above, right or left of it. The
// largest clusters first; a caption that has no room waits for a closer view.
function placeCaptions() {
  const taken = [], gap = width < 500 ? 12 : 3, shown = new Set(visibleThumbs), size = thumbSize(view.k);
  const halves = (row) => { const [, , , w, h] = data.tile[row]; return [w, h].map((side) => size / 2 * side / Math.max(w, h)); };
  const pictures = visibleThumbs.map((row) => { const [w, h] = halves(row), x = screenX(row), y = screenY(row); return [x - w, y - h, x + w, y + h]; });
  for (const [group, { caption, w, h }] of captionOf) {
    const { anchor } = groups[group], x = screenX(anchor), y = screenY(anchor);
    const away = (shown.has(anchor) ? halves(anchor) : [dotRadius(), dotRadius()]).map((half) => half + 4);
    const places = [[0, away[1] + h / 2], [0, -away[1] - h / 2], [away[0] + w / 2, 0], [-away[0] - w / 2, 0]]
      .map(([dx, dy]) => [x + dx - w / 2, y + dy - h / 2, x + dx + w / 2, y + dy + h / 2]);
    const isClear = ([left, top, right, bottom], others, by) => others.every(([l, t, r, b]) => right + by < l || left - by > r || bottom + by < t || top - by > b);
    const seen = x > -w && y > -h && x < width + w && y < height + h && isBright(anchor);
    const free = seen ? places.filter((place) => isClear(place, taken, gap)) : [];
    const box = free.find((place) => isClear(place, pictures, 0)) ?? free[0];  // on another's picture, if need be
    caption.hidden = !box;
    if (!box) continue;
    taken.push(box);
    caption.style.transform = `translate(${Math.round(box[0])}px, ${Math.round(box[1])}px)`;
  }
}

// --- drawing ------------------------------------------------------------------------------------

function queueDraw() {
  if (!queued) requestAnimationFrame(draw);
  queued = true;
}

function draw() {
  queued = false;
  if (renderer) drawThumbnails();
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
  zoomer.extent([[0, 0], [width, height]]).scaleExtent([fitted / 2, fitted * MOST_ZOOM]).translateExtent([[-0.6, -0.6], [1.6, 1.6]]);
  renderer?.resize(width, height, Math.min(2, devicePixelRatio || 1));
  if (first || whole) surface.call(zoomer.transform, everything());
  else surface.call(zoomer.transform, vendor.zoomIdentity.translate(view.x + (width - wasWide) / 2, view.y + (height - wasHigh) / 2).scale(view.k));
  if (Math.abs(fitted / settledFor - 1) > 0.05) settleThumbnails();
  queueDraw();
}

// --- pointing -----------------------------------------------------------------------------------

function rowAt(x, y, reach = 6) {
  const half = thumbSize(view.k) / 2;
  for (const row of visibleThumbs) {
    const [, , , w, h] = data.tile[row], scale = half / Math.max(w, h);
    if (Math.abs(screenX(row) - x) <= w * scale && Math.abs(screenY(row) - y) <= h * scale) return row;
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
  const gap = (visibleThumbs.includes(row) ? thumbSize(view.k) / 2 : dotRadius()) + 10;
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
