"use strict";
// Captions of clusters on the map, beside what they name.

const MOST_ON_PICTURES = 12;  // of the largest clusters may lie on another's thumbnail, where nothing else is free
const FARTHER = 36;  // CSS pixels that theirs may be away: past the next thumbnail
let captionOf = new Map();
let toolsBox = null;  // where the buttons of the map are

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

// Rectangles [left, top, right, bottom] in pixels, found by what they cover.
class Rectangles {
  constructor() { this.cells = new Map(); }
  *cellsOf([left, top, right, bottom]) {
    for (let x = left >> 6; x <= right >> 6; x++) for (let y = top >> 6; y <= bottom >> 6; y++) yield x * 0x10000 + y;
  }
  put(box) {
    for (const cell of this.cellsOf(box)) if (this.cells.has(cell)) this.cells.get(cell).push(box); else this.cells.set(cell, [box]);
  }
  // How many pixels of them the box covers.
  under(box) {
    const found = new Set();
    for (const cell of this.cellsOf(box)) for (const each of this.cells.get(cell) ?? []) found.add(each);
    let area = 0;
    for (const [left, top, right, bottom] of found) area += Math.max(0, Math.min(right, box[2]) - Math.max(left, box[0])) * Math.max(0, Math.min(bottom, box[3]) - Math.max(top, box[1]));
    return area;
  }
}

// Where a caption may be: below its picture or dot, above, right, left, then shifted along that.
function spotsAround(x, y, [across, down], w, h) {
  const side = across + w / 2, end = down + h / 2, shift = Math.abs(w / 2 - across) || across;
  return [[0, end], [0, -end], [side, 0], [-side, 0], [shift, end], [-shift, end], [shift, -end], [-shift, -end], [side, down], [-side, down], [side, -down], [-side, -down]]
    .map(([dx, dy]) => [x + dx - w / 2, y + dy - h / 2, x + dx + w / 2, y + dy + h / 2]);
}

// How many pixels of a box are not on the map.
function outside([left, top, right, bottom]) {
  const across = Math.max(0, Math.min(right, width) - Math.max(left, 0)), down = Math.max(0, Math.min(bottom, height) - Math.max(top, 0));
  return (right - left) * (bottom - top) - across * down;
}

// The largest clusters first; a caption that has no room beside the pictures waits for a closer view.
function placeCaptions() {
  const taken = new Rectangles(), pictures = new Rectangles(), gap = width < 500 ? 12 : 3, shown = new Set(visibleThumbs);
  for (const row of visibleThumbs) {
    const [w, h] = halvesOf(row), x = screenX(row), y = screenY(row);
    pictures.put([x - w, y - h, x + w, y + h]);
  }
  if (toolsBox) taken.put(toolsBox);
  let placed = 0;
  for (const [group, { caption, w, h }] of captionOf) {
    const { anchor } = groups[group], x = screenX(anchor), y = screenY(anchor);
    const isSeen = x > -w && y > -h && x < width + w && y < height + h && isBright(anchor);
    const around = (shown.has(anchor) ? halvesOf(anchor) : [dotRadius(), dotRadius()]).map((half) => half + 4);
    const spots = isSeen ? spotsAround(x, y, around, w, h) : [];
    if (isSeen && placed < MOST_ON_PICTURES) spots.push(...spotsAround(x, y, around.map((half) => half + FARTHER), w, h));
    const free = spots.filter(([left, top, right, bottom]) => !taken.under([left - gap, top - gap, right + gap, bottom + gap]));
    let box = null, least = placed < MOST_ON_PICTURES ? Infinity : 1;
    for (const spot of free) {
      const area = pictures.under(spot) + outside(spot);
      if (area < least) { least = area; box = spot; }
      if (!area) break;
    }
    caption.hidden = !box;
    if (!box) continue;
    placed += 1;
    taken.put(box);
    caption.style.transform = `translate(${Math.round(box[0])}px, ${Math.round(box[1])}px)`;
  }
}
