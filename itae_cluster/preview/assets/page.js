
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const map = document.getElementById("map");
const canvas = document.getElementById("canvas");
const card = document.getElementById("card");
const pen = canvas.getContext("2d");
const count = data.x.length;
const members = data.groups.map(() => []);
data.group.forEach((group, point) => members[group].push(point));

// The view: a point of the unit square at (x, y) is drawn at (x * scale + left, y * scale + top).
const view = { scale: 1, left: 0, top: 0 };
let width = 0, height = 0, fitted = 1;
let hovered = -1;             // a point, or -1
let shown = -1, pinned = -1;  // the group pointed at in the legend, and the one clicked
let queued = false;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isNoise = (group) => data.groups[group].number === null;
const colourOf = (group) => isNoise(group) ? css("--noise") : data.groups[group].colour;
const screenX = (point) => data.x[point] * view.scale + view.left;
const screenY = (point) => data.y[point] * view.scale + view.top;

function radius() {
  const base = Math.min(7, Math.max(1.4, 22 / Math.pow(count, 0.25)));
  return base * Math.min(2, Math.pow(view.scale / fitted, 0.3)) * (width < 500 ? 0.8 : 1);
}

function fitAll() {
  const span = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [1, 0]);
  const [x0, x1] = span(data.x), [y0, y1] = span(data.y);
  const margin = Math.min(width, height) * 0.07 + 6;
  const room = (pixels, length) => Math.max(pixels - 2 * margin, 1) / Math.max(length, 0.05);
  view.scale = fitted = Math.min(room(width, x1 - x0), room(height, y1 - y0));
  view.left = width / 2 - (x0 + x1) / 2 * view.scale;
  view.top = height / 2 - (y0 + y1) / 2 * view.scale;
  queueDraw();
}

function zoomBy(factor, x = width / 2, y = height / 2) {
  const scale = Math.min(fitted * 200, Math.max(fitted / 4, view.scale * factor));
  view.left = x - (x - view.left) * scale / view.scale;
  view.top = y - (y - view.top) * scale / view.scale;
  view.scale = scale;
  queueDraw();
}

function moveBy(x, y) {
  view.left += x;
  view.top += y;
  queueDraw();
}

function queueDraw() {
  if (!queued) requestAnimationFrame(draw);
  queued = true;
}

function draw() {
  queued = false;
  const ratio = window.devicePixelRatio || 1;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const lit = shown >= 0 ? shown : pinned;
  // Noise at the bottom, small groups above large ones, the highlighted group on top.
  const order = data.groups.map((_, group) => group);
  order.sort((a, b) => (a === lit) - (b === lit) || isNoise(b) - isNoise(a) || a - b);
  for (const group of order) drawGroup(group, lit);
  if (members.length <= 80) order.forEach((group) => drawNumber(group, lit));
  if (hovered >= 0) drawRing(hovered);
}

function drawGroup(group, lit) {
  const size = radius(), edged = count <= 3000;
  pen.globalAlpha = lit >= 0 && lit !== group ? 0.1 : edged ? 1 : 0.75;
  pen.fillStyle = colourOf(group);
  pen.strokeStyle = css("--panel");
  pen.lineWidth = 1;
  pen.beginPath();
  for (const point of members[group]) {
    const x = screenX(point), y = screenY(point);
    if (x < -size || y < -size || x > width + size || y > height + size) continue;
    if (edged) pen.beginPath();
    pen.moveTo(x + size, y);
    pen.arc(x, y, size, 0, 2 * Math.PI);
    if (edged) { pen.fill(); pen.stroke(); }
  }
  // Many dots are filled at once: far faster than one by one.
  if (!edged) pen.fill();
  pen.globalAlpha = 1;
}

function drawNumber(group, lit) {
  const { number, anchor } = data.groups[group];
  if (number === null || members[group].length < 5 || (lit >= 0 && lit !== group)) return;
  pen.font = "700 13px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = 4;
  pen.strokeStyle = css("--panel");
  pen.fillStyle = css("--ink");
  pen.strokeText(number, screenX(anchor), screenY(anchor));
  pen.fillText(number, screenX(anchor), screenY(anchor));
}

function drawRing(point) {
  pen.beginPath();
  pen.arc(screenX(point), screenY(point), radius() + 3, 0, 2 * Math.PI);
  pen.strokeStyle = css("--ink");
  pen.lineWidth = 2;
  pen.stroke();
}

function nearest(x, y, reach) {
  const lit = shown >= 0 ? shown : pinned;
  let best = -1, least = reach * reach;
  for (let point = 0; point < count; point++) {
    if (lit >= 0 && data.group[point] !== lit) continue;
    const dx = screenX(point) - x, dy = screenY(point) - y, away = dx * dx + dy * dy;
    if (away <= least) { least = away; best = point; }
  }
  return best;
}

const inline = (point) => "data:image/jpeg;base64," + data.thumbnail[point];

function showCard(point) {
  if (point !== hovered) queueDraw();
  hovered = point;
  canvas.classList.toggle("over", point >= 0);
  card.hidden = point < 0;
  if (point < 0) return;
  const group = data.groups[data.group[point]], distance = data.distance[point];
  const image = card.querySelector("img"), has = data.thumbnail[point] !== null;
  image.hidden = !has;
  if (has) image.src = inline(point);
  card.querySelector(".name").textContent = data.name[point];
  card.querySelector(".folder").textContent = group.folder;
  card.querySelector(".swatch").style.backgroundColor = colourOf(data.group[point]);
  card.querySelector(".distance").textContent = distance === null ? "" : `distance to centre ${distance.toFixed(3)}`;
  placeCard(point);
}

function placeCard(point) {
  const x = screenX(point), y = screenY(point), gap = radius() + 10;
  const left = x + gap + card.offsetWidth < width ? x + gap : x - gap - card.offsetWidth;
  const top = Math.max(6, Math.min(y - card.offsetHeight / 2, height - card.offsetHeight - 6));
  card.style.transform = `translate(${Math.max(6, left)}px, ${top}px)`;
}
card.querySelector("img").addEventListener("load", () => { if (hovered >= 0) placeCard(hovered); });

// Pointers that are down: one drags the map, two pinch it.
const down = new Map();
const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  down.set(event.pointerId, at(event));
  showCard(nearest(...at(event), radius() + (event.pointerType === "touch" ? 18 : 6)));
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event);
  if (!down.has(event.pointerId)) return showCard(nearest(x, y, radius() + 6));
  const [oldX, oldY] = down.get(event.pointerId);
  const other = [...down.entries()].find(([id]) => id !== event.pointerId);
  if (other) {
    const [, [otherX, otherY]] = other;
    const before = Math.hypot(oldX - otherX, oldY - otherY);
    zoomBy(Math.hypot(x - otherX, y - otherY) / Math.max(before, 1), (x + otherX) / 2, (y + otherY) / 2);
    moveBy((x - oldX) / 2, (y - oldY) / 2);
  } else {
    moveBy(x - oldX, y - oldY);
  }
  canvas.classList.add("dragging");
  if (Math.hypot(x - oldX, y - oldY) > 0) showCard(-1);
  down.set(event.pointerId, [x, y]);
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => { down.delete(event.pointerId); canvas.classList.remove("dragging"); });
}
canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") showCard(-1); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;  // Firefox counts lines
  zoomBy(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) / 400), ...at(event));
  showCard(-1);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const act = {
    ArrowLeft: () => moveBy(40, 0), ArrowRight: () => moveBy(-40, 0), ArrowUp: () => moveBy(0, 40), ArrowDown: () => moveBy(0, -40),
    "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: fitAll,
  }[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  showCard(-1);
  act();
});
for (const button of document.querySelectorAll("#zoom button")) {
  const factor = Number(button.dataset.zoom);
  button.addEventListener("click", () => { showCard(-1); return factor ? zoomBy(factor) : fitAll(); });
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Pointing at an entry, or reaching it by keyboard, lights its group up; a click keeps it lit.
function legendButton(group) {
  const { number, folder, count: size, colour, ink, typical } = data.groups[group];
  const button = element("button", "");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  const badge = element("span", "number", number === null ? "" : number);
  badge.style.backgroundColor = number === null ? "var(--noise)" : colour;
  badge.style.color = ink;
  const image = element(typical === null ? "span" : "img", "blank");
  if (typical !== null) { image.alt = ""; image.src = inline(typical); }
  button.append(badge, element("span", "folder", folder), element("span", "count", size.toLocaleString("en")), image);
  const point = (value) => () => { shown = value; queueDraw(); };
  button.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") point(group)(); });
  button.addEventListener("pointerleave", point(-1));
  button.addEventListener("focus", () => { if (button.matches(":focus-visible")) point(group)(); });
  button.addEventListener("blur", point(-1));
  button.addEventListener("click", () => pin(pinned === group ? -1 : group));
  return button;
}

const buttons = data.groups.map((_, group) => legendButton(group));
function pin(group) {
  pinned = group;
  buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === group)));
  showCard(-1);
  queueDraw();
}
for (const button of buttons) {
  const row = document.createElement("li");
  row.append(button);
  document.querySelector("#legend ol").append(row);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") { shown = -1; pin(-1); } });

function resize() {
  const ratio = window.devicePixelRatio || 1, before = [width, height];
  width = map.clientWidth;
  height = map.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  // Keep what is in the middle there; start with everything in view.
  if (!before[0] || view.scale === fitted) return fitAll();
  moveBy((width - before[0]) / 2, (height - before[1]) / 2);
}
resize();
draw();
new ResizeObserver(() => { if (map.clientWidth !== width || map.clientHeight !== height) resize(); }).observe(map);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", queueDraw);
