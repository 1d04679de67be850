"use strict";
// The address of what is shown: #c=3 or #p=12, and where the map is. The Back button goes by it.

let following = false;  // while the page does what an address says, it writes none

function addressNow() {
  const parts = [];
  if (opened?.kind === "picture") parts.push(`p=${opened.row}`);
  else if (opened?.kind === "cluster") parts.push(`c=${groups[opened.group].number ?? "none"}`);
  if (width && Math.abs(view.k - fitted) > fitted * 1e-3) {
    const middle = [(width / 2 - view.x) / view.k, (height / 2 - view.y) / view.k];
    parts.push(`z=${(view.k / fitted).toFixed(2)},${middle.map((value) => value.toFixed(4)).join(",")}`);
  }
  return parts.length ? "#" + parts.join("&") : "";
}

// A new entry for what is opened; where the map went replaces the last one.
function noteAddress(push) {
  if (following) return;
  const address = addressNow() || location.pathname + location.search;
  try {
    if (push && location.hash !== addressNow()) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  } catch { /* a page from a disk may not be allowed to */ }
}

let noteWaiting = 0;
function noteView() {
  clearTimeout(noteWaiting);
  noteWaiting = setTimeout(() => noteAddress(false), 300);
}

function followAddress() {
  const said = new Map(location.hash.slice(1).split("&").map((part) => part.split("=")));
  following = true;
  const row = Number(said.get("p") ?? -1), group = said.has("c") ? groups.findIndex(({ number: each }) => String(each ?? "none") === said.get("c")) : -1;
  if (Number.isInteger(row) && row >= 0 && row < count) openPicture(row, { stay: said.has("z") });
  else if (group >= 0) openCluster(group);
  else closeDetails();
  const [zoom, x, y] = (said.get("z") ?? "").split(",").map(Number);
  if ([zoom, x, y].every(Number.isFinite) && zoom > 0 && width) {
    surface.call(zoomer.transform, vendor.zoomIdentity.translate(width / 2, height / 2).scale(fitted * zoom).translate(-x, -y));
  }
  following = false;
}

addEventListener("popstate", followAddress);
