"use strict";
// What belongs to the page as a whole: theme, tools, keys, and the beginning.

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  kept.set("itae-cluster theme", theme);
  repaint();
}

function repaint() {
  readInks();
  paintDots();
  queueDraw();
}

const chosen = kept.get("itae-cluster theme");
if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
dark.addEventListener("change", repaint);
find("#theme").addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));

function setThumbnails(on) {
  thumbnailsOn = on;
  find("#tool-thumbnails").setAttribute("aria-pressed", String(on));
  queueDraw();
}

find("#tool-lasso").addEventListener("click", () => setLasso(!lassoOn));
find("#tool-thumbnails").addEventListener("click", () => setThumbnails(!thumbnailsOn));
find("#tool-in").addEventListener("click", () => zoomBy(1.6));
find("#tool-out").addEventListener("click", () => zoomBy(1 / 1.6));
find("#tool-fit").addEventListener("click", fitAll);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (lassoOn) return setLasso(false);
    if (!details.hidden) return closeDetails();
    if (ticked.size) return clearTicks();
    if (search.value) { search.value = ""; redrawList(); }
    return;
  }
  if (event.target.matches("input, textarea")) return;
  const act = { "/": () => search.focus(), l: () => setLasso(!lassoOn), t: () => setThumbnails(!thumbnailsOn) }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

readKept();
current = replay(operations);
showState(current);
redrawList();
startMap().then(() => {
  makeCaptions();
  queueDraw();
  document.dispatchEvent(new Event("edited"));
  if (location.hash) followAddress();
  document.documentElement.dataset.ready = "true";
});
