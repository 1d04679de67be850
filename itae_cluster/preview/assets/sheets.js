"use strict";
// Thumbnails: tiles on sheets, which are read when they are first looked at.

const sheetImages = new Map();

const documentRead = new Promise((resolve) => {
  if (document.readyState === "complete") resolve();
  else addEventListener("DOMContentLoaded", resolve, { once: true });
});

// A decoded image of the sheet; the same promise for every caller.
function sheetImage(sheet) {
  if (!sheetImages.has(sheet)) sheetImages.set(sheet, readSheet(sheet));
  return sheetImages.get(sheet);
}

async function readSheet(sheet) {
  const id = `sheet-${sheet}`;
  // While the page is still being read, only a sheet with something after it is there as a whole.
  if (!document.getElementById(id)?.nextElementSibling) await documentRead;
  const image = new Image();
  image.src = "data:image/webp;base64," + document.getElementById(id).textContent;
  await image.decode();
  return image;
}

// Draw a row's tile on a canvas of `width` × `height` CSS pixels, cut to fill it.
async function drawTile(canvas, row, width, height) {
  const tile = data.tile[row];
  if (!tile) return;
  const [sheet, left, top, across, down] = tile;
  const image = await sheetImage(sheet);
  const ratio = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const scale = Math.max(canvas.width / across, canvas.height / down);
  const w = canvas.width / scale, h = canvas.height / scale;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, left + (across - w) / 2, top + (down - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
}

const drawWhenSeen = new IntersectionObserver((entries, observer) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    drawTile(target, Number(target.dataset.row), target.clientWidth || 64, target.clientHeight || 64);
  }
}, { rootMargin: "200px" });

// Thumbnails that are about to be drawn anew in the same place, so that nothing flickers.
const spares = new Map();

function spareThumbnails(container) {
  for (const canvas of container.querySelectorAll("canvas.thumb")) {
    const row = Number(canvas.dataset.row);
    if (spares.has(row)) spares.get(row).push(canvas); else spares.set(row, [canvas]);
  }
}

const forgetSpares = () => spares.clear();

// A square thumbnail for lists, drawn when it comes into view. Its size is the style sheet's.
function thumbnail(row) {
  const spare = spares.get(row)?.pop();
  if (spare) return spare;
  const canvas = element("canvas", { class: "thumb", "data-row": row, "aria-hidden": "true" });
  if (data.tile[row]) drawWhenSeen.observe(canvas);
  return canvas;
}
