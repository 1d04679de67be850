"use strict";
// The files themselves, over thumbnails that have room for more than their sheet holds. A page from
// a disk may show a file but not draw it, so they lie above the map as images.

const filesLayer = find("#files");
const MOST_FILES = 16, MOST_AT_ONCE = 3;
const STILL = 150, GROWING = 200;  // milliseconds: how long the map must rest, how long one grows
const files = new Map();           // row → { image, since: when it could be shown }
const unreadable = new Set();
let reading = 0, restWaiting = 0;

const largestOf = (row) => Math.min(LARGEST_FILE, Math.max(sheetSide(row), files.get(row)?.longSide ?? 0));

// How much of the way from the thumbnail's size to the file's is done, 0 to 1.
function fileShare(row) {
  const since = files.get(row)?.since;
  return since === undefined ? 0 : calm.matches ? 1 : Math.min(1, (performance.now() - since) / GROWING);
}

// Worth reading where it would show more than the sheet: sharper, or larger.
function isWorthReading(row) {
  const pixels = sideOf(row, LARGEST_FILE) * Math.min(2, devicePixelRatio || 1);
  return isBright(row) && !unreadable.has(row) && pixels > 1.2 * sheetSide(row);
}

// In every frame: those that are there keep to their places. None is read while the map moves.
function placeFiles() {
  const shown = new Set(files.size ? visibleThumbs : []);
  let growing = false;
  for (const [row, { image, since }] of files) {
    if (since === undefined) continue;
    image.hidden = !shown.has(row) || !isBright(row);
    if (image.hidden) continue;
    const [w, h] = halvesOf(row);
    image.style.width = `${2 * w}px`;
    image.style.height = `${2 * h}px`;
    image.style.transform = `translate(${Math.round(screenX(row)) - w}px, ${Math.round(screenY(row)) - h}px)`;
    growing ||= fileShare(row) < 1;
  }
  if (growing) queueDraw();
  clearTimeout(restWaiting);
  restWaiting = setTimeout(readFiles, STILL);
}

function readFiles() {
  const away = (row) => Math.hypot(screenX(row) - width / 2, screenY(row) - height / 2);
  const seen = (row) => screenX(row) > 0 && screenY(row) > 0 && screenX(row) < width && screenY(row) < height;
  const wanted = visibleThumbs.filter((row) => seen(row) && isWorthReading(row)).sort((a, b) => away(a) - away(b)).slice(0, MOST_FILES);
  const kept = new Set(wanted);
  for (const [row, { image }] of files) {
    if (files.size <= MOST_FILES) break;
    if (kept.has(row)) continue;
    image.remove();
    files.delete(row);
  }
  for (const row of wanted) {
    if (reading >= MOST_AT_ONCE) return;
    if (!files.has(row)) readFile(row);
  }
}

async function readFile(row) {
  const image = element("img", { alt: "", decoding: "async", draggable: "false" }), file = { image };
  image.hidden = true;
  filesLayer.append(image);
  files.set(row, file);
  reading += 1;
  try {
    image.src = link(row);
    await image.decode();
    Object.assign(file, { since: performance.now(), longSide: Math.max(image.naturalWidth, image.naturalHeight) });
  } catch {  // not there, or of a kind that this browser does not know
    unreadable.add(row);
    files.delete(row);
    image.remove();
  }
  reading -= 1;
  queueDraw();
}
