"use strict";
// A picture as large as the window, the keys that go through its cluster, and the list of all keys.

const lightbox = find("#lightbox"), keysHelp = find("#keys");
let lightRow = -1;

function showLarge(row) {
  lightRow = row;
  const group = data.group[row], rows = members[group], taken = takenOf(row);
  const had = lightbox.open ? ["back", "on", "close"].find((way) => document.activeElement.matches(`#lightbox .${way}`)) : undefined;
  const image = element("img", { alt: fileName(row), decoding: "async", src: link(row) });
  const small = element("canvas", { "aria-hidden": "true" }), [, , , w, h] = data.tile[row] ?? [0, 0, 0, 4, 3];
  image.hidden = true;
  image.addEventListener("load", () => { image.hidden = false; small.hidden = true; });
  small.style.aspectRatio = `${w} / ${h}`;
  drawTile(small, row, w, h);
  const step = (by, label, sign, way) => element("button", { type: "button", class: `icon ${way}`, "aria-label": label, title: label, disabled: rows.length < 2, onclick: () => stepLarge(by) }, sign);
  lightbox.replaceChildren(
    element("div", { class: "stage", onclick: closeLarge }, small, image),
    step(-1, "Previous: more typical (←)", "‹", "back"), step(1, "Next: less typical (→)", "›", "on"),
    element("button", { type: "button", class: "icon close", "aria-label": "Close", title: "Close (Esc)", onclick: closeLarge }, "×"),
    element("p", { class: "legend" }, element("b", {}, fileName(row)),
      ` · ${clusterName(group)} · ${number(placeOf[row] + 1)} of ${number(rows.length)}${taken ? " · " + taken.toISOString().slice(0, 10) : ""}`));
  if (!lightbox.open) lightbox.showModal();
  // What had the focus has just been replaced; keys reach the lightbox only from inside it.
  (had ? lightbox.querySelector(`.${had}`) : lightbox).focus();
}

// Through the cluster, from the most typical to the least and round again.
function stepLarge(by) {
  const rows = members[data.group[lightRow]];
  showLarge(rows[(placeOf[lightRow] + by + rows.length) % rows.length]);
}

function closeLarge() {
  const row = lightRow;
  lightbox.close();
  if (row >= 0) openPicture(row, { focus: true });
}

lightbox.addEventListener("cancel", (event) => { event.preventDefault(); closeLarge(); });
lightbox.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {
    ArrowRight: () => stepLarge(1), ArrowDown: () => stepLarge(1), j: () => stepLarge(1), n: () => stepLarge(1),
    ArrowLeft: () => stepLarge(-1), ArrowUp: () => stepLarge(-1), k: () => stepLarge(-1), p: () => stepLarge(-1), " ": closeLarge,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
});

// The picture that is meant by a key: the one with the focus, in the panel, or under the pointer.
function rowMeant() {
  const focused = document.activeElement?.closest?.("[data-row]")?.dataset.row;
  if (focused !== undefined) return Number(focused);
  return opened?.kind === "picture" ? opened.row : hovered;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || lightbox.open || event.target.matches("input, textarea, select")) return;
  const by = { j: 1, n: 1, k: -1, p: -1 }[event.key];
  if (event.key === "?") { keysHelp.showModal(); event.preventDefault(); }
  else if (event.key === " " && rowMeant() >= 0 && !document.activeElement?.matches?.(".action, .icon, [role=tab]")) { event.preventDefault(); showLarge(rowMeant()); }
  else if (by && opened?.kind === "picture") {
    const rows = members[data.group[opened.row]];
    openPicture(rows[(placeOf[opened.row] + by + rows.length) % rows.length]);
  }
});
find("#tool-keys").addEventListener("click", () => keysHelp.showModal());
keysHelp.addEventListener("click", ({ target }) => { if (target === keysHelp || target.closest("button")) keysHelp.close(); });
