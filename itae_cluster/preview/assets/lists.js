"use strict";
// The lists: clusters, outliers, near-duplicates, and what a search found.

const list = find("#list"), search = find("#search");
const tabs = ["clusters", "outliers", "duplicates"];
const MOST_FOUND = 200, MOST_OUTLIERS = 100;
let tab = "clusters";

function item(attributes, ...children) {
  return element("li", {}, element("button", { type: "button", ...attributes }, ...children));
}

function drawList(rows, ...before) {
  list.replaceChildren(...before.filter(Boolean), element("ol", {}, ...rows));
  list.scrollTop = 0;
  markList();
}

const quiet = (text) => element("p", { class: "quiet" }, text);

function listClusters() {
  drawList(groups.map(({ count: size, typical, diverse }, group) => {
    const rows = [...new Set([...typical.slice(0, 1), ...diverse])].slice(0, 4);
    const shown = rows.length ? rows : members[group].slice(0, 4);
    return item({ class: "cluster", "data-group": group, onclick: () => openCluster(group, { focus: true }), onpointerenter: (event) => { if (event.pointerType === "mouse" && details.hidden) setLit((row) => data.group[row] === group); }, onpointerleave: () => { if (details.hidden && lit) setLit(null); } },
      element("span", { class: "line" }, swatch(group), element("span", { class: "label" }, clusterName(group)), groups[group].parts ? element("span", { class: "quiet" }, `→ ${groups[group].parts} parts`) : null, element("span", { class: "count" }, number(size))),
      element("span", { class: "strip", "aria-hidden": "true" }, ...shown.map(thumbnail)));
  }), isSample ? quiet(`The page shows ${number(count)} of ${plural(data.total, "picture")}: a sample in which every cluster keeps its share. Counts are those of all.`) : null);
}

// How far a picture lies from its cluster's centre, measured by what is usual there.
function oddity() {
  return members.flatMap((rows, group) => {
    const middle = data.distance[rows[rows.length >> 1]];
    return isNoise(group) || !middle ? [] : rows.filter((row) => !current.touched.has(row)).map((row) => [row, data.distance[row] / middle]);
  }).sort((a, b) => b[1] - a[1]).slice(0, Math.min(MOST_OUTLIERS, Math.ceil(count / 10)));
}

function rowItem(row, note) {
  const made = item({ class: "row", "data-row": row, draggable: "true", onclick: (event) => openOrTick(row, event, () => openPicture(row, { focus: true })) },
    thumbnail(row), element("span", { class: "text" }, element("span", { class: "label" }, fileName(row)), element("span", { class: "quiet" }, swatch(data.group[row]), note)));
  made.append(tickBox(row));
  made.classList.toggle("ticked", ticked.has(row));
  return made;
}

function listOutliers() {
  const rows = oddity().filter(([row]) => isInSpan(row));
  drawList(rows.map(([row]) => rowItem(row, `${clusterName(data.group[row])} · ${typicality(row) ?? "alone"}`)),
    quiet(rows.length ? "Least typical of their cluster: farthest from its centre, by what is usual there." : "No picture stands out."));
}

function redrawList() {
  const searching = search.value.trim() !== "";
  list.setAttribute("aria-labelledby", searching ? "search" : `tab-${tab}`);
  for (const name of tabs) {
    const chosen = name === tab && !searching;
    find(`#tab-${name}`).setAttribute("aria-selected", String(chosen));
    find(`#tab-${name}`).tabIndex = name === tab ? 0 : -1;
  }
  find("#levels").hidden = searching || tab !== "clusters" || levelSteps.length < 2;
  drawLikeness();
  if (searching) return listFound();
  if (details.hidden && lit) setLit(null);
  ({ clusters: listClusters, outliers: listOutliers, duplicates: listDuplicates })[tab]();
}

function showTab(name) {
  tab = name;
  search.value = "";
  redrawList();
}

// Mark what the panel shows.
function markList() {
  for (const entry of list.querySelectorAll("button")) {
    const current = opened && (entry.dataset.group === String(opened.group) || entry.dataset.row === String(opened.row));
    if (current) entry.setAttribute("aria-current", "true"); else entry.removeAttribute("aria-current");
  }
}

for (const [place, name] of tabs.entries()) {
  find(`#tab-${name}`).addEventListener("click", () => showTab(name));
  find(`#tab-${name}`).addEventListener("keydown", ({ key }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!by) return;
    const next = tabs[(place + by + tabs.length) % tabs.length];
    showTab(next);
    find(`#tab-${next}`).focus();
  });
}
search.addEventListener("input", redrawList);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== "ArrowDown") return;
  event.preventDefault();  // Enter would go on to press what gets the focus
  list.querySelector("li button")?.focus();
});
// Up and down go through a list.
list.addEventListener("keydown", (event) => {
  const by = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
  const next = by && event.target.closest("li")?.[by]?.querySelector("button");
  if (!next) return;
  event.preventDefault();
  next.focus();
});
