"use strict";
// Which dots of the map are thumbnails, how large, and their textures.

const SMALLEST_THUMB = 34, LARGEST_THUMB = 128;  // CSS pixels, of all at one zoom
const LARGEST_FILE = 480;                        // CSS pixels of one that has room for more
const MOST_TEXTURES = 12;                        // sheets on the graphics card at once, 16 MB each
const GAP = 1.1;                                 // times its size is the room that a thumbnail needs

const thumbSize = (k) => Math.min(LARGEST_THUMB, SMALLEST_THUMB * Math.pow(Math.max(1, k / fitted), 0.42)) * (width < 500 ? 0.85 : 1);

// Squares with one side, around rows, on the unit square.
class Squares {
  constructor(side) { this.side = side; this.cells = new Map(); }
  cell(x, y) { return Math.floor(x / this.side) * 0x100000 + Math.floor(y / this.side); }
  put(row) {
    const key = this.cell(data.x[row], data.y[row]);
    if (this.cells.has(key)) this.cells.get(key).push(row); else this.cells.set(key, [row]);
  }
  isFree(row) {
    const x = data.x[row], y = data.y[row], { side } = this;
    for (let dx = -side; dx <= side; dx += side) for (let dy = -side; dy <= side; dy += side) {
      for (const other of this.cells.get(this.cell(x + dx, y + dy)) ?? []) {
        if (Math.abs(data.x[other] - x) < side && Math.abs(data.y[other] - y) < side) return false;
      }
    }
    return true;
  }
}

// --- who has room -------------------------------------------------------------------------------
// Which dots are thumbnails at which zoom is settled once: a picture is shown as soon as it has
// room beside those shown before it, the representatives of clusters first. None hides another.

const shownFrom = new Float64Array(count).fill(Infinity);  // the zoom at which a row has room
let settledFor = 0;

function settleThumbnails() {
  settledFor = fitted;
  shownFrom.fill(Infinity);
  forgetPlaces();
  const turn = Float64Array.from(placeOf);
  for (const { typical, diverse } of groups) [...diverse, ...typical].forEach((row) => { turn[row] = 0; });
  let waiting = drawingOrder.filter((row) => data.tile[row]).sort((a, b) => turn[a] - turn[b] || a - b);
  const shown = [];
  for (let k = fitted; waiting.length && k < fitted * MOST_ZOOM; k *= Math.SQRT2) {
    const taken = new Squares(thumbSize(k) * GAP / k);
    shown.forEach((row) => taken.put(row));
    waiting = waiting.filter((row) => {
      if (!taken.isFree(row)) return true;
      shownFrom[row] = k > fitted ? k : 0;
      shown.push(row);
      taken.put(row);
      return false;
    });
  }
  for (const row of waiting) shownFrom[row] = fitted * MOST_ZOOM / 2;
}

// While some pictures stand out they take their room first, whether or not they would have it
// otherwise. That too is the same wherever the map is moved, and settled for a step of the zoom.
const STEPS = 4;  // of a doubling
let places = null;
function forgetPlaces() { places = null; }

function placesNow() {
  if (!lit && !span) return null;
  const from = fitted * 2 ** (Math.floor(Math.log2(view.k / fitted) * STEPS) / STEPS);
  if (places?.from === from) return places;
  const taken = new Squares(thumbSize(from) * GAP / from);
  const above = new Uint8Array(count), covered = new Uint8Array(count);
  const rows = places?.rows ?? drawingOrder.filter((row) => data.tile[row] && isBright(row)).sort((a, b) => placeOf[a] - placeOf[b] || a - b);
  for (const row of rows) {
    if (!taken.isFree(row)) continue;
    taken.put(row);
    above[row] = 1;
  }
  for (let row = 0; row < count; row++) {
    if (!isBright(row) && shownFrom[row] <= from * 2) covered[row] = taken.isFree(row) ? 0 : 1;
  }
  places = { from, rows, above, covered };
  return places;
}

let visibleThumbs = [];  // rows, the last on top

function findVisible() {
  const above = [], below = [], now = placesNow(), reach = Math.max(thumbSize(view.k), files.size ? LARGEST_FILE / 2 : 0);
  for (let row = 0; row < count; row++) {
    const isAbove = now !== null && isBright(row);
    if (isAbove ? !now.above[row] : shownFrom[row] > view.k || now?.covered[row]) continue;
    const x = screenX(row), y = screenY(row);
    if (x > -reach && y > -reach && x < width + reach && y < height + reach) (isAbove ? above : below).push(row);
  }
  return [...below, ...above];
}

// --- how large ----------------------------------------------------------------------------------
// All of one zoom are of one size. One that has more room grows to what its sheet holds, and to
// what its file holds once that has been read.

const roomOf = new Float64Array(count).fill(NaN);  // to the nearest other row, on the unit square

function findRoom(row) {
  if (!Number.isNaN(roomOf[row])) return roomOf[row];
  const x = data.x[row], y = data.y[row];
  for (let reach = 1 / 256; ; reach *= 4) {
    let least = reach >= 1 ? 1 : Infinity;
    for (const other of index.range(x - reach, y - reach, x + reach, y + reach)) {
      if (other !== row) least = Math.min(least, Math.max(Math.abs(data.x[other] - x), Math.abs(data.y[other] - y)));
    }
    if (least <= reach) { roomOf[row] = least; return least; }
  }
}

// The long side of a row's thumbnail that has room, and is not larger than `most`.
function sideOf(row, most) {
  const least = thumbSize(view.k);
  return least >= most || view.k < 4 * fitted ? least : Math.max(least, Math.min(most, findRoom(row) * view.k / GAP));
}

const sheetSide = (row) => Math.max(data.tile[row][3], data.tile[row][4]);

function sizeOf(row) {
  const own = sideOf(row, sheetSide(row)), file = fileShare(row);
  return file ? own + (sideOf(row, largestOf(row)) - own) * file : own;
}

// Half its width and height as it is drawn.
function halvesOf(row) {
  const [, , , w, h] = data.tile[row], scale = sizeOf(row) / 2 / Math.max(w, h);
  return [w * scale, h * scale];
}

// --- textures -----------------------------------------------------------------------------------
const textures = new Map();  // sheet → its texture source, null while it is being read; least recent first
const tileTextures = new Map();
const frames = [];

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
  const thin = thumbSize(view.k) < 44 ? 1.5 : 2, some = lit || span;
  visibleThumbs = thumbnailsOn ? findVisible() : [];
  let used = 0;
  for (const row of visibleThumbs) {
    const texture = tileTexture(row);
    if (!texture) continue;
    const frame = frames[used] ?? makeFrame();
    // A thumbnail that has just got room grows to its size over the first part of the way.
    const grown = some && isBright(row) ? 1 : Math.min(1, 0.4 + Math.max(0, view.k / shownFrom[row] - 1) * 4);
    const [w, h] = halvesOf(row).map((half) => 2 * half * grown);
    const isTicked = ticked.has(row), clear = isTicked || isBright(row), border = isTicked ? thin + 2 : thin;
    const x = Math.round(screenX(row)), y = Math.round(screenY(row));
    frame.edge.position.set(x, y);
    frame.edge.setSize(w + 2 * border, h + 2 * border);
    // The frame is opaque even where it is dimmed: the dot below it is not to shine through.
    frame.edge.tint = row === hovered || isTicked ? inks.ink : clear ? inks.groups[data.group[row]] : mixed(inks.ground, inks.groups[data.group[row]], DIMMED);
    frame.picture.texture = texture;
    frame.picture.position.set(x, y);
    frame.picture.setSize(w, h);
    frame.picture.alpha = clear ? 1 : DIMMED;
    frame.edge.visible = frame.picture.visible = true;
    used += 1;
  }
  for (const frame of frames.slice(used)) frame.edge.visible = frame.picture.visible = false;
  dropTextures();
}

function makeFrame() {
  const frame = { edge: new vendor.Sprite(vendor.Texture.WHITE), picture: new vendor.Sprite() };
  frame.edge.anchor.set(0.5);
  frame.picture.anchor.set(0.5);
  stage.addChild(frame.edge, frame.picture);
  frames.push(frame);
  return frame;
}
