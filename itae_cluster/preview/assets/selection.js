"use strict";
// Choosing pictures with a lasso, and taking their paths elsewhere.

let lassoOn = false;
let lassoEnded = -Infinity;  // the time stamp of that event
let drawn = null;  // corners of the lasso while it is being drawn, in CSS pixels

function setLasso(on) {
  lassoOn = on;
  find("#tool-lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("lassoing", on);
}

// What moves the map does so on a caption as well.
captions.addEventListener("wheel", (event) => { event.preventDefault(); canvas.dispatchEvent(new WheelEvent("wheel", event)); }, { passive: false });
captions.addEventListener("mousedown", (event) => canvas.dispatchEvent(new MouseEvent("mousedown", event)));
// A lasso may begin on a caption, too.
for (const begun of [canvas, captions]) begun.addEventListener("pointerdown", (event) => {
  if (event.button || !(lassoOn || event.shiftKey)) return;
  canvas.setPointerCapture(event.pointerId);
  drawn = [at(event)];
  showCard(-1);
});
canvas.addEventListener("pointermove", (event) => {
  if (!drawn) return;
  drawn.push(at(event));
  find("#lasso path").setAttribute("d", `M${drawn.map((corner) => corner.map(Math.round).join(" ")).join("L")}Z`);
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, ({ timeStamp }) => {
    if (!drawn) return;
    const corners = drawn;
    lassoEnded = timeStamp;
    drawn = null;
    find("#lasso path").setAttribute("d", "");
    setLasso(false);
    const rows = rowsInside(corners);
    if (!rows.length) return say("No picture in the lasso.");
    tick(rows, true);
    openTicked();
  });
}

function rowsInside(corners) {
  if (corners.length < 3) return [];
  const ring = corners.map(([x, y]) => [(x - view.x) / view.k, (y - view.y) / view.k]);
  const xs = ring.map(([x]) => x), ys = ring.map(([, y]) => y);
  return index.range(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys))
    .filter((row) => vendor.polygonContains(ring, [data.x[row], data.y[row]]))
    .sort((a, b) => data.group[a] - data.group[b] || placeOf[a] - placeOf[b]);
}

// Paths relative to the page, one a line; where a path itself holds a newline, NUL after each, which --only reads as well.
function pathList(rows) {
  const paths = rows.map((row) => data.path[row]);
  const end = paths.some((path) => path.includes("\n")) ? "\0" : "\n";
  return toBytes(paths.map((path) => path + end).join(""));
}

function download(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const anchor = element("a", { href: address, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function saveList(rows) {
  download("list.txt", "text/plain", pathList(rows));
  say(`Saved ${plural(rows.length, "path")} to list.txt. In the folder of this page, read them back with: itae-cluster --only list.txt`);
}

async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "aside" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`Copied ${what}.`);
}

const copyPaths = (rows) => copyText(rows.map((row) => data.path[row]).join("\n"), plural(rows.length, "path"));
