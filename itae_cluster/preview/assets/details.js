"use strict";
// The side panel: a picture, a cluster, a group of near-duplicates, or what was selected.

const details = find("#details");
const AT_ONCE = 120;  // pictures of a grid that are added each time its end comes into view
let shownAtFirst = AT_ONCE;
let opener = null;    // what had the focus before the panel was opened

function openDetails(label, test, focus, ...content) {
  if (details.hidden) opener = document.activeElement;
  const close = element("button", { type: "button", class: "icon close", "aria-label": "Close", title: "Close (Esc)", onclick: closeDetails }, "×");
  details.replaceChildren(close, ...content.filter(Boolean));
  details.setAttribute("aria-label", label);
  details.hidden = false;
  details.scrollTop = 0;
  document.body.classList.add("detailed");
  if (focus) details.focus({ preventScroll: false });
  setLit(test);
  markList();
  noteAddress(true);
}

function closeDetails() {
  if (details.hidden) return;
  const inside = details.contains(document.activeElement);
  details.hidden = true;
  details.replaceChildren();
  document.body.classList.remove("detailed");
  opened = null;
  setLit(null);
  markList();
  noteAddress(true);
  if (inside && opener?.isConnected) opener.focus({ preventScroll: true });
}

let opened = null;  // { kind, group or row }: what the panel shows

// --- parts --------------------------------------------------------------------------------------

const button = (label, onclick, attributes = {}) => element("button", { type: "button", class: "action", onclick, ...attributes }, label);
const heading = (text) => element("h3", {}, text);

function tile(row, note) {
  const isExample = current.examples.has(row);
  return element("div", { class: ticked.has(row) ? "tile ticked" : "tile", "data-row": row, draggable: "true" },
    element("button", { type: "button", class: "picture", title: fileName(row), "aria-label": [fileName(row), note, isExample ? "example" : null].filter(Boolean).join(", "), onclick: (event) => openOrTick(row, event, () => openPicture(row, { focus: true })) },
      thumbnail(row), data.tile[row] ? null : element("span", { class: "missing" }, fileName(row)), note ? element("span", { class: "note" }, note) : null, isExample ? element("span", { class: "star", "aria-hidden": "true" }, "★") : null),
    tickBox(row));
}

function grid(rows, note = () => null) {
  const made = element("div", { class: "grid" });
  let added = 0;
  const more = () => { const next = rows.slice(added, added + (added ? AT_ONCE : shownAtFirst)); made.append(...next.map((row, place) => tile(row, note(row, added + place)))); added += next.length; };
  more();
  if (added < rows.length) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      more();
      if (added < rows.length) made.append(end); else { end.remove(); observer.disconnect(); }
    }, { rootMargin: "600px" });
    const end = element("span", { class: "end" });
    made.append(end);
    observer.observe(end);
  }
  return made;
}

const clusterChip = (group) => element("button", { type: "button", class: "chip", onclick: () => openCluster(group, { focus: true }) }, swatch(group), clusterName(group));

const takeAway = (rows) => element("div", { class: "actions" },
  button("Copy paths", () => copyPaths(rows)), button("Save list", () => saveList(rows)), button("Show on map", () => zoomTo(rows)));

// --- a picture ----------------------------------------------------------------------------------

function openPicture(row, { focus = false, stay = false } = {}) {
  opened = { kind: "picture", row };
  const group = data.group[row], rows = members[group], place = placeOf[row];
  const step = (by, label, sign) => button(sign, () => openPicture(rows[(place + by + rows.length) % rows.length], { focus: true }), { class: "icon", "aria-label": label, title: label, disabled: rows.length < 2 });
  const near = data.neighbours[row] ?? [], alike = new Map(near.map((other, i) => [other, data.cosines[row][i]]));
  const standing = isNoise(group) ? "in no cluster" : `${number(place + 1)} of ${number(rows.length)} by typicality`;
  const shown = new Set([row, ...near]);
  openDetails(fileName(row), (other) => shown.has(other), focus,
    largePicture(row),
    element("h2", { class: "file" }, fileName(row)),
    element("div", { class: "facts" }, clusterChip(group), element("span", {}, standing), typicalityNote(row)),
    pictureFacts(row),
    element("div", { class: "path" }, element("code", {}, visible(data.path[row])), button("Copy path", () => copyText(data.path[row], "the path"))),
    element("div", { class: "actions" },
      element("a", { class: "action", href: link(row), target: "_blank", rel: "noopener" }, "Open file"),
      button("Enlarge", () => showLarge(row), { title: "Enlarge (Space)" }),
      button("Show on map", () => zoomTo([row, ...near])),
      step(-1, "Previous: more typical", "←"), step(1, "Next: less typical", "→")),
    element("div", { class: "actions" },
      button("Move to…", () => openSend([row]), { title: "Move to another cluster (M)" }),
      isRejected(groups[group]) ? null : button("Not wanted", () => rejectAndSay([row]), { title: "Not wanted (X)" }),
      button("Example", () => exampleAndSay([row]), { title: "Typical of its cluster (E)", "aria-pressed": String(current.examples.has(row)) })),
    near.length ? heading("Most alike") : null,
    near.length ? grid(near, (other) => (alike.get(other) ?? 0).toFixed(2)) : null,
    ...examples(group, row));
  if (!stay) showOnMap(row);
}

// What the picture shows, when it was taken and with what, as far as that is known.
function pictureFacts(row) {
  const taken = takenOf(row), shows = shownIn(row);
  const said = [shows ? `Shows ${shows}` : null, taken ? taken.toLocaleString("en", { timeZone: "UTC", dateStyle: "medium", timeStyle: "short" }) : null, cameraOf(row)];
  return said.some(Boolean) ? element("div", { class: "facts" }, ...said.filter(Boolean).map((text) => element("span", {}, text))) : null;
}

// Names are shown as Python wrote them; of paths only what would not be seen is.
const visible = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/g,
  (character, offset, whole) => whole.codePointAt(offset) > 0xffff || (offset && whole.codePointAt(offset - 1) > 0xffff) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

// The picture itself where the browser can show it, the thumbnail until then and where it cannot.
function largePicture(row) {
  const frame = element("div", { class: "large" }), [, , , w, h] = data.tile[row] ?? [0, 0, 0, 4, 3];
  frame.style.aspectRatio = `${w} / ${h}`;
  const small = element("canvas", { "aria-hidden": "true" });
  drawTile(small, row, w, h);
  const image = element("img", { alt: fileName(row), decoding: "async" });
  image.hidden = true;
  image.addEventListener("load", () => { image.hidden = false; small.hidden = true; });
  image.src = link(row);
  frame.append(small, image);
  return frame;
}

function examples(group, except = -1) {
  const { typical, diverse } = groups[group];
  const rows = [...new Set([...typical.slice(0, 1), ...diverse])];
  if (rows.length < 2 || members[group].length < 2 * rows.length) return [];
  return [heading(except < 0 ? "The most typical, then the most diverse" : `Examples of ${clusterName(group)}`), grid(rows)];
}

// --- a cluster ----------------------------------------------------------------------------------

function openCluster(group, { focus = false } = {}) {
  opened = { kind: "cluster", group };
  const rows = sortRows(members[group].filter(isInSpan)), { count: size } = groups[group];
  const note = span ? `${number(rows.length)} of the time that was chosen.` : size > rows.length ? `${number(rows.length)} of its ${plural(size, "picture")} are on this page.` : null;
  openDetails(clusterName(group), (row) => data.group[row] === group, focus,
    isNoise(group) ? element("h2", {}, swatch(group), clusterName(group)) : nameField(group),
    element("div", { class: "facts" }, element("span", {}, plural(size, "picture")), clusterName(group) === groups[group].folder || isNoise(group) ? null : element("span", {}, groups[group].folder)),
    groups[group].suggested?.tags.length ? element("p", { class: "quiet" }, `Perhaps ${groups[group].suggested.tags.join(", ")}`) : null,
    note ? element("p", { class: "quiet" }, note) : null,
    proposal(group),
    takeAway(rows),
    ...editActions(group, rows),
    ...examples(group),
    element("div", { class: "sorting" }, sortField(group)),
    grid(rows));
}

// Select all, merge, split: what can be done with a whole cluster.
function editActions(group, rows) {
  const { key, parts, count: size } = groups[group], most = Math.min(99, size);
  const form = element("form", { class: "actions", hidden: true },
    element("label", {}, "Parts ", element("input", { type: "number", class: "parts", "aria-label": "Number of parts", min: 2, max: most, value: 2, required: true })), element("button", { class: "action" }, "Split"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const k = form.querySelector("input").valueAsNumber, faults = addOperation({ split: key, k });
    say(faults.length ? `Not done, because ${faults.join("; ")}.` : `To be split into ${k}. Ctrl+Z takes it back.`);
  });
  const askParts = () => { form.hidden = !form.hidden; form.querySelector("input").select(); };
  const merge = (into) => {
    const faults = addOperation({ merge: [into, key] });
    say(faults.length ? `Not done, because ${faults.join("; ")}.` : "Merged. Ctrl+Z takes it back.");
    const place = groups.findIndex((other) => other.key === into);
    if (place >= 0 && !faults.length) openCluster(place, { focus: true });
  };
  return [
    element("div", { class: "actions" },
      button("Select all", () => tick(rows, true), { title: "Select all (Ctrl+A)" }),
      isNoise(group) ? null : button("Merge into…", () => askForCluster(`Merge ${clusterName(group)} into`, { rows, except: group, choose: merge })),
      size < 2 || isRejected(groups[group]) ? null : button("Split…", askParts)),
    form,
    ...(parts ? splitNote(group, parts) : []),
  ];
}

// What a split will make: folders, and as far as the levels tell, which pictures.
function splitNote(group, k) {
  const folder = groups[group].name ?? folderName(group), likely = partsByLevels(members[group], k);
  const others = k > 2 ? `${folder}-2 to ${folder}-${k}` : `${folder}-2`;
  return [
    element("p", { class: "quiet" }, `To be split into ${k}: the largest part stays in ${folder}, ${k > 2 ? "the others go" : "the other goes"} to ${others}. ` +
      `"itae-cluster edit" finds which picture goes where; with -n it only shows that.${likely.length ? " Perhaps:" : ""}`),
    ...likely.map((rows) => element("div", { class: "part" }, element("span", { class: "count" }, number(rows.length)), element("div", { class: "strip small", "aria-hidden": "true" }, ...rows.slice(0, 7).map(thumbnail)))),
  ];
}

// A name for a cluster that was made or changed here, where nobody has named it and none is left.
function proposal(group) {
  const { changed, name, suggested, key } = groups[group];
  const word = changed && isNumbered(group) && !name && !suggested?.name ? proposeName(members[group], key) : null;
  if (!word) return null;
  const accept = () => { rename(group, word); say("Renamed. Ctrl+Z takes it back."); };
  return element("div", { class: "actions proposal" }, button(`Call it “${word}”`, accept, { title: "Most of its pictures seem to show this, and few others" }));
}

function pencil() {
  const made = find("#pencil").content.firstElementChild.cloneNode(true);
  return made;
}

function nameField(group) {
  const fault = element("p", { class: "fault", role: "alert" });
  const input = element("input", { type: "text", class: "name", value: clusterName(group), "aria-label": "Name of this cluster", maxlength: LONGEST_NAME, spellcheck: "false", title: "Rename" });
  input.addEventListener("change", () => {
    const wanted = input.value;
    fault.textContent = rename(group, wanted);
    if (!fault.textContent) return;
    input.setAttribute("aria-invalid", String(Boolean(fault.textContent)));
    if (!fault.textContent) { input.value = clusterName(group); say("Renamed. Ctrl+Z takes it back."); }
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") input.blur();
    if (event.key === "Escape") { input.value = clusterName(group); event.stopPropagation(); input.blur(); }
  });
  return element("div", {}, element("h2", { class: "aside" }, clusterName(group)), element("div", { class: "naming" }, swatch(group), input, element("button", { type: "button", class: "icon", "aria-label": "Rename this cluster", title: "Rename", onclick: () => input.select() }, pencil())), fault);
}

// --- several pictures ---------------------------------------------------------------------------

function openRows(title, explanation, rows, { focus = false, note, actions = [] } = {}) {
  opened = { kind: "rows", rows, again: () => openRows(title, explanation, rows, { note, actions }) };
  const chosen = new Set(rows);
  openDetails(title, (row) => chosen.has(row), focus, element("h2", {}, title), explanation ? element("p", { class: "quiet" }, explanation) : null, takeAway(rows), actions.length ? element("div", { class: "actions" }, ...actions) : null, grid(rows, note));
}

const openSelection = (rows) => openRows(`${plural(rows.length, "picture")} selected`, null, rows, { focus: true });
