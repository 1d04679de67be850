"use strict";
// Pictures that are ticked, what can be done with them, and where they can be dragged.

const ticked = new Set();
const bar = find("#bar");
let lastTicked = -1;  // from where Shift and a click reach
let dragged = null;   // rows under way

function tick(rows, on) {
  for (const row of rows) if (on) ticked.add(row); else ticked.delete(row);
  ticksChanged();
}

function ticksChanged() {
  for (const entry of document.querySelectorAll("[data-row]:not(canvas)")) markTick(entry);
  document.body.classList.toggle("ticking", ticked.size > 0);
  drawBar();
  paintDots();
  queueDraw();
}

function markTick(entry) {
  const on = ticked.has(Number(entry.dataset.row)), box = entry.parentElement.querySelector(":scope > .tick") ?? entry.querySelector(":scope > .tick");
  if (box) box.checked = on;
  (entry.closest("li") ?? entry).classList.toggle("ticked", on);
}

// From the last one that was ticked to this one, in the order in which they are shown.
function tickTo(row, container) {
  const shown = [...container.querySelectorAll("[data-row]:not(canvas)")].map(({ dataset }) => Number(dataset.row));
  const [from, to] = [shown.indexOf(lastTicked), shown.indexOf(row)].sort((a, b) => a - b);
  tick(from < 0 ? [row] : shown.slice(from, to + 1), true);
  lastTicked = row;
}

function tickOne(row, event, container) {
  if (event.shiftKey && lastTicked >= 0) return tickTo(row, container);
  lastTicked = row;
  tick([row], !ticked.has(row));
}

// The box in the corner of a picture.
function tickBox(row) {
  const box = element("input", { type: "checkbox", class: "tick", "aria-label": `Select ${fileName(row)}`, title: "Select (Space)" });
  box.checked = ticked.has(row);
  box.addEventListener("click", (event) => {
    event.stopPropagation();
    const container = box.closest(".grid, ol");
    if (event.shiftKey && lastTicked >= 0) tickTo(row, container);
    else { lastTicked = row; tick([row], box.checked); }
  });
  return box;
}

// A click on a picture opens it; with Ctrl or Shift, or while others are ticked, it ticks it.
function openOrTick(row, event, open) {
  const container = event.currentTarget.closest(".grid, ol");
  if (event.ctrlKey || event.metaKey || event.shiftKey || (ticked.size && event.detail)) tickOne(row, event, container);
  else open();
}

// What a key or a button acts on: the ticked, or the picture that is open.
function targets() {
  if (ticked.size) return [...ticked];
  return opened?.kind === "picture" && !details.hidden ? [opened.row] : [];
}

// --- what is done with them -------------------------------------------------------------------------

const many = (rows) => rows.length === 1 ? fileName(rows[0]) : plural(rows.length, "picture");

function done(rows, faults, message) {
  if (faults.length) return say(`Not done, because ${faults.join("; ")}.`);
  for (const row of rows) ticked.delete(row);
  ticksChanged();
  if (opened?.ofTicks) { if (ticked.size) keepPlace(details, openTicked); else closeDetails(); }
  say(`${message} Ctrl+Z takes it back.`);
}

function moveAndSay(rows, key) {
  const faults = sendTo(rows, key), place = groups.findIndex((group) => group.key === key);
  done(rows, faults, `${many(rows)} → ${place < 0 ? key : clusterName(place)}.`);
}

const rejectAndSay = (rows) => done(rows, rejectRows(rows), `${many(rows)} not wanted.`);

function exampleAndSay(rows) {
  const before = current.examples.size, faults = markExamples(rows);
  done(rows, faults, current.examples.size < before ? `${many(rows)} no longer an example.` : rows.length === 1 ? `${many(rows)} is an example of its cluster.` : `${many(rows)} are examples of their clusters.`);
}

function openTicked() {
  const rows = [...ticked].sort((a, b) => data.group[a] - data.group[b] || placeOf[a] - placeOf[b]);
  if (!rows.length) return;
  openSelection(rows);
  opened.ofTicks = true;
}

function drawBar() {
  bar.hidden = !ticked.size && !dragged;
  document.body.classList.toggle("barred", !bar.hidden);
  find("#bar-count").textContent = dragged ? `${plural(dragged.length, "picture")}: drop on a cluster, or here` : `${number(ticked.size)} selected`;
  for (const id of ["#bar-show", "#bar-clear"]) find(id).hidden = Boolean(dragged);
  find("#bar-send").textContent = dragged ? "New cluster" : "Move to…";
}

const clearTicks = () => { ticked.clear(); ticksChanged(); };

find("#bar-send").addEventListener("click", () => { const rows = targets(); if (rows.length) openSend(rows); });
find("#bar-reject").addEventListener("click", () => rejectAndSay(targets()));
find("#bar-example").addEventListener("click", () => exampleAndSay(targets()));
find("#bar-show").addEventListener("click", openTicked);
find("#bar-clear").addEventListener("click", clearTicks);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || find("dialog[open]") || event.target.matches("input:not([type=checkbox], [type=range]), textarea")) return;
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    const act = key === "z" ? (event.shiftKey ? redo : undo) : key === "y" ? redo : key === "a" && !details.hidden ? () => tick(shownRows(), true) : null;
    if (!act) return;
    event.preventDefault();
    return act();
  }
  if (event.altKey) return;
  const entry = event.target.closest?.("[data-row]");
  if (event.key === " " && entry && event.target.matches("button")) {
    event.preventDefault();
    return tickOne(Number(entry.dataset.row), event, entry.closest(".grid, ol") ?? entry);
  }
  const rows = targets();
  const act = { m: () => openSend(rows), x: () => rejectAndSay(rows), Delete: () => rejectAndSay(rows), e: () => exampleAndSay(rows) }[event.key];
  if (!act || !rows.length) return;
  event.preventDefault();
  act();
});

// All rows of the panel's last list, those too that are not drawn yet.
const shownRows = () => opened?.kind === "cluster" ? members[opened.group] : opened?.rows ?? [];

// Arrow keys go through a grid.
details.addEventListener("keydown", (event) => {
  const entry = event.target.closest(".grid .tile");
  const turns = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: "up", ArrowDown: "down" }[event.key];
  if (!entry || !turns || event.ctrlKey || event.altKey || event.metaKey) return;
  const tiles = [...entry.parentElement.querySelectorAll(".tile")], across = tiles.filter(({ offsetTop }) => offsetTop === tiles[0].offsetTop).length;
  const by = turns === "up" ? -across : turns === "down" ? across : turns;
  const next = tiles[tiles.indexOf(entry) + by]?.querySelector("button");
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (event.shiftKey) { if (lastTicked < 0) lastTicked = Number(entry.dataset.row); tickTo(Number(next.closest(".tile").dataset.row), entry.parentElement); }
});

// --- dragging ---------------------------------------------------------------------------------------

document.addEventListener("dragstart", (event) => {
  const entry = event.target.closest?.("[data-row]");
  if (!entry) return;
  const row = Number(entry.dataset.row);
  dragged = ticked.has(row) ? [...ticked] : [row];
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.map((each) => data.path[each]).join("\n"));
  setTimeout(drawBar);  // not before the browser has taken its picture of what is dragged
});

const dropOn = (event) => dragged && event.target.closest?.("[data-group], #bar-send, #bar-reject, #bar-example");
let under = null;
function markUnder(target) {
  under?.classList.remove("under");
  under = target;
  under?.classList.add("under");
}

document.addEventListener("dragover", (event) => {
  const target = dropOn(event);
  if (target !== under) markUnder(target);
  if (target) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const target = dropOn(event), rows = dragged;
  if (!target) return;
  event.preventDefault();
  endDrag();
  if (target.dataset.group !== undefined) {
    const group = groups[Number(target.dataset.group)];
    return isRejected(group) ? rejectAndSay(rows) : moveAndSay(rows, group.key);
  }
  ({ "bar-send": () => openSend(rows, { fresh: true }), "bar-reject": () => rejectAndSay(rows), "bar-example": () => exampleAndSay(rows) })[target.id]();
});
document.addEventListener("dragend", endDrag);

function endDrag() {
  dragged = null;
  markUnder(null);
  drawBar();
}
