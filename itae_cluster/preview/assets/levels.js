"use strict";
// How fine: one slider from few clusters to many, where the clustering kept its tree.
//
// `data.levels` is a tree as SciPy numbers it: leaves are 0 to L − 1, the i-th merge makes node L + i,
// and the first L − k merges leave k clusters.

const merges = data.levels?.merges ?? [];
const leafCount = data.levels ? merges.length + 1 : 0;
const leafOf = data.levels?.leaf ?? [];
let draft = null;  // the number of clusters that is tried and not yet among the changes

const parentOf = new Int32Array(2 * leafCount).fill(-1);
merges.forEach((pair, number) => { for (const node of pair) parentOf[node] = leafCount + number; });

// Put the clusters of a state together, or take them apart, until the tree is cut at k. As `edit` does it:
// a cluster stays with the group that holds most of it; where several claim one group, one that a person
// named goes first, then the largest; groups that nobody claims are new clusters, numbered on.
function cutLevels(state, k) {
  const nodeOf = new Int32Array(2 * leafCount), last = 2 * leafCount - k;  // nodes below are made
  for (let node = 2 * leafCount - 2; node >= 0; node--) nodeOf[node] = parentOf[node] >= 0 && parentOf[node] < last ? nodeOf[parentOf[node]] : node;
  const fixed = new Set(data.examples ?? []);
  const atHome = (row) => leafOf[row] >= 0 && base.groups[base.group[row]].number !== null && !fixed.has(row);  // others are where a person put them
  const shares = new Map();  // group → pictures by the cluster that they come from
  for (let row = 0; row < count; row++) {
    if (!atHome(row)) continue;
    const node = nodeOf[leafOf[row]];
    if (!shares.has(node)) shares.set(node, new Map());
    shares.get(node).set(base.group[row], (shares.get(node).get(base.group[row]) ?? 0) + 1);
  }
  const nodes = [...shares.keys()].sort((a, b) => a - b);
  const best = new Map();  // cluster → the group that holds most of it, and how much
  for (const node of nodes) for (const [home, size] of shares.get(node)) if (size > (best.get(home)?.size ?? 0)) best.set(home, { node, size });
  const isNamed = (home) => !/^cluster-\d{3,}$/.test(base.groups[home].folder.split("/").at(-1));
  const claims = [...best].sort(([a, one], [b, other]) => isNamed(b) - isNamed(a) || other.size - one.size || a - b);
  const clusterOf = new Map();
  for (const [home, { node }] of claims) if (!clusterOf.has(node)) clusterOf.set(node, home);
  const used = new Set(state.clusters.map(({ key }) => key.toLowerCase()));
  let free = Math.max(-1, ...base.groups.map(({ number }) => number ?? -1)) + 1;
  for (const node of nodes) {
    if (clusterOf.has(node)) continue;
    const [[home]] = [...shares.get(node)].sort(([a, one], [b, other]) => other - one || a - b);
    const beside = keyOf(base.groups[home]).split("/").slice(0, -1).map((part) => `${part}/`).join("");
    const folder = () => `${beside}cluster-${String(free).padStart(3, "0")}`;
    while (used.has(folder().toLowerCase())) free += 1;
    used.add(folder().toLowerCase());
    clusterOf.set(node, addCluster(state, folder(), { number: free, folder: visible(folder()), name: undefined, isPart: true, colour: newColour(`node ${node}`, state.clusters) }));
    free += 1;
  }
  const counts = new Map();
  for (let row = 0; row < count; row++) {
    const before = base.group[row], node = atHome(row) ? nodeOf[leafOf[row]] : best.get(before)?.node;
    const place = node === undefined ? before : clusterOf.get(node);
    counts.set(place, (counts.get(place) ?? 0) + base.groups[before].count / baseSizes[before]);
    if (place === before) continue;
    state.of[row] = place;
    state.clusters[place].changed = state.clusters[before].changed = true;
  }
  state.clusters.forEach((cluster, place) => {
    const before = cluster.count;
    cluster.count = Math.round(counts.get(place) ?? 0);
    if (!cluster.count && before) cluster.gone = true;
  });
  state.regrouped = k;
}

// Rows of one cluster in k parts as the tree has them, the largest first; none where it knows fewer.
function partsByLevels(rows, k) {
  const nodeOf = new Map(rows.filter((row) => leafOf[row] >= 0).map((row) => [leafOf[row], leafOf[row]]));
  if (nodeOf.size < k) return [];
  let left = nodeOf.size;
  for (let place = 0; left > k; place++) {
    const pair = merges[place], both = pair.map((node) => [...nodeOf.values()].includes(node));
    for (const [leaf, node] of nodeOf) if (pair.includes(node)) nodeOf.set(leaf, leafCount + place);
    left -= both[0] && both[1];
  }
  const parts = new Map();
  for (const row of rows) if (nodeOf.has(leafOf[row])) parts.set(nodeOf.get(leafOf[row]), [...(parts.get(nodeOf.get(leafOf[row])) ?? []), row]);
  return [...parts.values()].sort((a, b) => b.length - a.length);
}

// --- the slider -----------------------------------------------------------------------------------

const presentCount = base.groups.filter(({ number }) => number !== null).length;
const levelSteps = data.levels ? stepsOfLevels() : [];

// Numbers of clusters in steps that look alike: one by one first, then by a tenth; always the present one.
function stepsOfLevels() {
  const steps = new Set([Math.min(presentCount, leafCount), leafCount]);
  for (let k = Math.min(2, leafCount); k < leafCount; k = Math.max(k + 1, Math.round(k * 1.06))) steps.add(k);
  return [...steps].sort((a, b) => a - b);
}

const regroupOf = (list) => list[0]?.regroup ?? null;
const levelNow = () => draft ?? regroupOf(operations) ?? presentCount;
const withLevel = (list, k) => {
  const others = list.filter((op) => !op.regroup);
  return k === presentCount ? others : [{ regroup: k }, ...others];
};
const shownOperations = () => draft === null ? operations : withLevel(operations, draft);

// Changes are made to what is shown: the level that is being tried comes with them.
function adopt(list) {
  const found = draft === null ? list : withLevel(list, draft);
  draft = null;
  return found;
}

function tryLevel(k) {
  draft = k === (regroupOf(operations) ?? presentCount) ? null : k;
  refresh();
}

function keepLevel() {
  const k = levelNow(), faults = setOperations(adopt(operations));
  say(faults.length ? `${k} clusters. Left out, because ${faults.join("; ")}.` : `${k} clusters are among your changes now.`);
}

function drawLevels() {
  if (levelSteps.length < 2) return;
  const slider = find("#level"), k = levelNow();
  slider.max = levelSteps.length - 1;
  slider.value = levelSteps.findIndex((step) => step >= k);
  slider.setAttribute("aria-valuetext", plural(k, "cluster"));
  find("#level-now").textContent = k === presentCount && draft === null ? `${plural(k, "cluster")}, as they are` : plural(k, "cluster");
  find("#level-keep").hidden = find("#level-back").hidden = draft === null;
}

if (data.levels) {
  let waiting = 0;
  find("#level").addEventListener("input", ({ target }) => {
    const k = levelSteps[Number(target.value)];
    find("#level-now").textContent = plural(k, "cluster");
    target.setAttribute("aria-valuetext", plural(k, "cluster"));
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => tryLevel(k));
  });
  find("#level-keep").addEventListener("click", keepLevel);
  find("#level-back").addEventListener("click", () => tryLevel(regroupOf(operations) ?? presentCount));
  document.addEventListener("edited", drawLevels);
}
