"use strict";
// What the reader changes: a list of operations, and the clusters that they make of those that Python
// wrote. Nothing here touches a file: changes.js saves the list, `itae-cluster edit` carries it out.
//
// An operation is as in changes.json (docs/preview.md), but that pictures are rows. The clusters are
// made anew from all of them after each change, so undoing is forgetting, and any one can be dropped.

const NOISE_FOLDER = "unclustered", REJECTED_FOLDER = "rejected";
const keyOf = ({ key, folder }) => key ?? folder;  // a folder that is not UTF-8 is shown otherwise than it is called
const base = { groups: groups.slice(), group: Int32Array.from(data.group) };
const baseNumber = new Map(base.groups.map((group, number) => [keyOf(group), number]));
const baseSizes = new Int32Array(base.groups.length);
for (const group of base.group) baseSizes[group] += 1;
const changesKey = `itae-cluster changes ${data.key}`;

const kindOf = (op) => ["move", "reject", "example", "merge", "split", "rename", "regroup"].find((kind) => kind in op);
const rowsOf = (op) => op.move ?? op.reject ?? op.example ?? [];

// --- from operations to clusters ------------------------------------------------------------------

// A cluster: what Python wrote of it, `key` by which operations name it, and `name` where it has one.
// `of` holds the place of each row's cluster in `clusters`.
function startState() {
  const clusters = base.groups.map((group) => ({ ...group, key: keyOf(group), name: undefined, parts: 0, changed: false }));
  return { clusters, of: Int32Array.from(base.group), rejected: new Set(), examples: new Set(data.examples ?? []), touched: new Set(), regrouped: null };
}

const isRejected = (cluster) => cluster.number === null && cluster.folder === REJECTED_FOLDER;
const placeOfKey = (state, key) => state.clusters.findIndex((cluster) => cluster.key === key && !cluster.gone);

// A colour that none of these clusters has, the same one for the same key as long as the page is open.
const coloursGiven = new Map();
function newColour(key, clusters) {
  const taken = new Set(clusters.filter(({ gone }) => !gone).map(({ colour }) => colour));
  if (taken.has(coloursGiven.get(key))) coloursGiven.delete(key);
  if (!coloursGiven.has(key)) {
    const given = new Set(coloursGiven.values()), { palette } = data;
    coloursGiven.set(key, palette.find((colour) => !taken.has(colour) && !given.has(colour)) ?? palette.find((colour) => !taken.has(colour)) ?? palette[(clusters.length * 7) % palette.length]);
  }
  return coloursGiven.get(key);
}

function addCluster(state, key, more = {}) {
  state.clusters.push({ number: key, folder: key, key, name: key, count: 0, suggested: null, typical: [], diverse: [], anchor: -1, parts: 0, changed: true, made: true, colour: more.colour ?? newColour(key, state.clusters), ...more });
  return state.clusters.length - 1;
}

function putInto(state, rows, place) {
  const from = new Map();
  for (const row of rows) {
    const before = state.of[row];
    if (before === place) continue;
    from.set(before, (from.get(before) ?? 0) + 1);
    state.clusters[before].count -= 1;
    state.clusters[before].changed = true;
    state.of[row] = place;
    state.touched.add(row);
  }
  const moved = [...from.values()].reduce((sum, size) => sum + size, 0);
  state.clusters[place].count += moved;
  if (moved) state.clusters[place].changed = true;
  return { moved, before: [...from].map(([group, size]) => ({ label: labelOf(state.clusters[group]), size })) };
}

// What stands for a cluster in lists and on the map: its given name, a suggested one, or its folder.
const labelOf = (cluster) => cluster.name ?? (isRejected(cluster) ? "not wanted" : cluster.suggested?.name ?? cluster.folder);

// Each returns { before, after } to be read, or { fault } where it makes no sense (any more).
const carryOut = {
  move(state, { move: rows, to, isPart }) {
    let place = placeOfKey(state, to);
    if (place < 0 && (isPart || baseNumber.has(to))) return { fault: `there is no ${to} any more` };
    if (place < 0) place = addCluster(state, to);
    const { moved, before } = putInto(state, rows, place);
    return moved ? { before, after: labelOf(state.clusters[place]) } : { fault: "nothing is left to move" };
  },
  reject(state, { reject: rows }) {
    let place = placeOfKey(state, REJECTED_FOLDER);
    if (place < 0) place = addCluster(state, REJECTED_FOLDER, { number: null, name: undefined, colour: "#b4b8bc" });
    const { moved, before } = putInto(state, rows, place);
    return moved ? { before, after: "not wanted" } : { fault: "nothing is left to take away" };
  },
  example(state, { example: rows }) {
    const fresh = rows.filter((row) => !state.examples.has(row)), from = new Map();
    for (const row of fresh) {
      state.examples.add(row);
      state.clusters[state.of[row]].changed = true;
      from.set(state.of[row], (from.get(state.of[row]) ?? 0) + 1);
    }
    return fresh.length ? { before: [...from].map(([group, size]) => ({ label: labelOf(state.clusters[group]), size })), after: "example" } : { fault: "they are examples already" };
  },
  merge(state, { merge: keys, name }) {
    const places = keys.map((key) => placeOfKey(state, key)), lost = keys.find((_, i) => places[i] < 0);
    if (lost !== undefined) return { fault: `there is no ${lost} any more` };
    if (new Set(places).size < 2) return { fault: "one cluster is not merged with itself" };
    const [into, ...others] = places, before = places.map((place) => ({ label: labelOf(state.clusters[place]), size: state.clusters[place].count }));
    const joined = new Set(others);
    for (let row = 0; row < count; row++) if (joined.has(state.of[row])) state.of[row] = into;
    for (const other of others) {
      state.clusters[into].count += state.clusters[other].count;
      Object.assign(state.clusters[other], { gone: true, count: 0 });
    }
    state.clusters[into].changed = true;
    if (name) state.clusters[into].name = name;
    return { before, after: labelOf(state.clusters[into]) };
  },
  split(state, { split: key, k }) {
    const cluster = state.clusters[placeOfKey(state, key)];
    if (!cluster) return { fault: `there is no ${key} any more` };
    if (cluster.count < k) return { fault: `${labelOf(cluster)} has fewer than ${k} pictures` };
    cluster.parts = k;
    return { before: [{ label: labelOf(cluster), size: cluster.count }], after: `${k} clusters` };
  },
  rename(state, { rename: key, name }) {
    const cluster = state.clusters[placeOfKey(state, key)];
    if (!cluster) return { fault: `there is no ${key} any more` };
    const before = [{ label: labelOf(cluster), size: cluster.count }];
    cluster.name = name;
    return { before, after: name };
  },
  regroup(state, { regroup: k }) {
    const before = [{ label: `${plural(state.clusters.filter(({ number }) => number !== null).length, "cluster")}` }];
    cutLevels(state, k);
    return { before, after: `${plural(state.clusters.filter(({ number, gone }) => number !== null && !gone).length, "cluster")}` };
  },
};

// A suggested name still fits where three quarters of the pictures before and after together are the
// same; `edit` finds others, where it knows enough.
const SAME = 0.75;
function dropSuggestions(state) {
  const same = new Int32Array(state.clusters.length), sizes = new Int32Array(state.clusters.length);
  for (let row = 0; row < count; row++) {
    sizes[state.of[row]] += 1;
    if (state.of[row] === base.group[row]) same[state.of[row]] += 1;
  }
  state.clusters.forEach((cluster, place) => {
    if (place < base.groups.length && same[place] < SAME * (baseSizes[place] + sizes[place] - same[place])) cluster.suggested = null;
  });
}

const folded = (text) => text.normalize("NFC").toLowerCase();
const calledNow = (cluster) => cluster.name ?? cluster.folder;

// A name was free when it was given, as its cluster had been emptied. Without that it is not.
function refuseTaken(state, operations) {
  const names = state.clusters.filter((cluster) => cluster.count).map((cluster) => folded(calledNow(cluster)));
  operations.forEach(({ rename: key, name }, place) => {
    if (key && names.filter((each) => each === folded(name)).length > 1) state.log[place] = { fault: `another cluster is called ${name}` };
  });
}

function replay(operations) {
  const state = startState();
  state.log = operations.map((op) => carryOut[kindOf(op)](state, op));
  refuseTaken(state, operations);
  dropSuggestions(state);
  return state;
}

// --- from clusters to what the page shows ---------------------------------------------------------

// The rows of a group in the middle of which it has its caption.
function anchorOf(rows) {
  const middle = (values) => Float64Array.from(rows, (row) => values[row]).sort()[rows.length >> 1];
  const x = middle(data.x), y = middle(data.y);
  let best = rows[0], least = Infinity;
  for (const row of rows) {
    const away = (data.x[row] - x) ** 2 + (data.y[row] - y) ** 2;
    if (away < least) { least = away; best = row; }
  }
  return best;
}

function showState(state) {
  const rows = state.clusters.map(() => []);
  for (let row = 0; row < count; row++) rows[state.of[row]].push(row);
  const rank = ({ number, made, isPart }, place) => number === null ? 3e9 + place : made && !isPart ? -1e9 + place : state.regrouped ? 1e9 - rows[place].length : place;
  const order = [...state.clusters.keys()].filter((place) => rows[place].length).sort((a, b) => rank(state.clusters[a], a) - rank(state.clusters[b], b));
  setGroups(order.map((place) => {
    const cluster = state.clusters[place];
    if (!cluster.changed) return cluster;
    const own = rows[place], ranked = byTypicality(own);
    const examples = own.filter((row) => state.examples.has(row) && !(data.examples ?? []).includes(row));
    const typical = [...new Set([...examples, ...cluster.typical.filter((row) => state.of[row] === place), ...ranked.slice(0, 3)])].slice(0, 3);
    const steps = Array.from({ length: Math.min(8, ranked.length) }, (_, i) => ranked[Math.round(i * (ranked.length - 1) / Math.max(1, Math.min(8, ranked.length) - 1))]);
    const diverse = [...new Set([...cluster.diverse.filter((row) => state.of[row] === place), ...steps])].slice(0, 8);
    return { ...cluster, anchor: anchorOf(own), typical, diverse };
  }), state.of, order);
}

// --- the list of operations and its past ----------------------------------------------------------

let operations = [];     // what has been changed so far; never altered in place
let past = [], future = [];
let current = startState();  // what `operations` make

const editing = () => operations.length > 0;

function readKept() {
  try {
    const found = JSON.parse(kept.get(changesKey) ?? "[]");
    const sane = found.filter((op) => kindOf(op) && rowsOf(op).every((row) => Number.isInteger(row) && row >= 0 && row < count));
    operations = sane.filter((_, place, all) => !replay(all).log[place].fault);
  } catch { operations = []; }
  past = operations.map((_, place) => operations.slice(0, place));
}

// Make these the operations. What makes no sense among them is left out; returns why, for each.
function setOperations(wanted, { remember = true } = {}) {
  const faults = [];
  let next = wanted;
  for (;;) {
    const { log } = replay(next), bad = log.findIndex(({ fault }) => fault);
    if (bad < 0) break;
    faults.push(log[bad].fault);
    next = next.filter((_, place) => place !== bad);
  }
  if (remember) { past = [...past, operations]; future = []; }
  operations = next;
  kept.set(changesKey, JSON.stringify(operations));
  refresh();
  return faults;
}

function undo() {
  if (!past.length) return;
  future = [...future, operations];
  const before = past.at(-1);
  past = past.slice(0, -1);
  setOperations(before, { remember: false });
  say("Undone.");
}

function redo() {
  if (!future.length) return;
  past = [...past, operations];
  const after = future.at(-1);
  future = future.slice(0, -1);
  setOperations(after, { remember: false });
  say("Done again.");
}

// Of each picture only the last place counts: earlier moves lose it, unless a cluster needs them.
function withoutRows(list, rows) {
  const gone = new Set(rows);
  let found = list;
  for (const op of list) {
    const field = op.move ? "move" : op.reject ? "reject" : null;
    if (!field || !op[field].some((row) => gone.has(row))) continue;
    const left = op[field].filter((row) => !gone.has(row));
    const next = found.flatMap((each) => each !== op ? [each] : left.length ? [{ ...op, [field]: left }] : []);
    if (replay(next).log.every(({ fault }) => !fault)) found = next;
  }
  return found;
}

function sendTo(rows, key) {
  const list = withoutRows(operations, rows), { of, clusters } = replay(list);
  const place = clusters.findIndex((cluster) => cluster.key === key && !cluster.gone);
  const left = rows.filter((row) => of[row] !== place);
  const last = list.at(-1);
  const isPart = clusters[place]?.isPart;  // it is there at this level only
  const next = !left.length ? list : last?.move && last.to === key ? [...list.slice(0, -1), { ...last, move: [...last.move, ...left] }] : [...list, { move: left, to: key, ...(isPart && { isPart }) }];
  return setOperations(adopt(next));
}

function rejectRows(rows) {
  const list = withoutRows(operations, rows), { of, clusters } = replay(list);
  const left = rows.filter((row) => !isRejected(clusters[of[row]])), last = list.at(-1);
  const next = !left.length ? list : last?.reject ? [...list.slice(0, -1), { reject: [...last.reject, ...left] }] : [...list, { reject: left }];
  return setOperations(adopt(next));
}

// Marks all, or where all are marked here already, none of them.
function markExamples(rows) {
  const marked = new Set(operations.flatMap((op) => op.example ?? [])), chosen = new Set(rows);
  if (rows.every((row) => marked.has(row))) {
    return setOperations(operations.flatMap((op) => {
      if (!op.example) return [op];
      const left = op.example.filter((row) => !chosen.has(row));
      return left.length ? [{ example: left }] : [];
    }));
  }
  const fresh = rows.filter((row) => !current.examples.has(row));
  return fresh.length ? setOperations(adopt([...operations, { example: fresh }])) : ["they are examples already"];
}

const addOperation = (op) => setOperations(adopt([...operations, op]));
const dropOperation = (place) => setOperations(operations.filter((_, other) => other !== place));

// A cluster that was made here is renamed where it was made: the command need not know its old name.
function renameCluster(key, name) {
  const made = current.clusters.find((cluster) => cluster.key === key && cluster.made && !cluster.isPart);
  if (made && !isRejected(made)) {
    const swap = (each) => each === key ? name : each;
    if (!name) return setOperations(operations);
    coloursGiven.set(name, made.colour);
    coloursGiven.delete(key);
    return setOperations(operations.map((op) => op.move ? { ...op, to: swap(op.to) } : op.merge ? { ...op, merge: op.merge.map(swap) } : op.split ? { ...op, split: swap(op.split) } : op.rename ? { ...op, rename: swap(op.rename) } : op));
  }
  const others = operations.filter((op) => op.rename !== key);
  return setOperations(adopt(name ? [...others, { rename: key, name }] : others));
}

// Show what the operations make, in place: lists and panel keep their place and focus.
function refresh() {
  current = replay(shownOperations());
  const openedKey = opened?.kind === "cluster" ? groups[opened.group]?.key : undefined;
  showState(current);
  readInks();
  makeCaptions();
  paintDots();
  queueDraw();
  keepPlace(list, redrawList);
  reopen(openedKey);
  document.dispatchEvent(new Event("edited"));
}

// What is open in the panel, drawn anew with the clusters of now.
function reopen(key) {
  if (details.hidden || !opened) return;
  const place = key === undefined ? -1 : groups.findIndex((group) => group.key === key);
  const draw = {
    picture: () => openPicture(opened.row, { stay: true }),
    cluster: () => place < 0 ? closeDetails() : openCluster(place),
    rows: () => opened.again?.(),
    changes: () => openChanges(),
  }[opened.kind];
  if (draw) keepPlace(details, draw);
}

// Redraw a list or the panel so that nobody notices but for what has changed.
function keepPlace(container, redraw) {
  const top = container.scrollTop, active = container.contains(document.activeElement) ? document.activeElement : null;
  const spot = active?.closest("[data-row], [data-group]"), tiles = [...container.querySelectorAll(".tile")];
  const among = spot ? [...container.querySelectorAll(spot.dataset.row ? "[data-row]:not(canvas)" : "[data-group]")] : [];
  const index = among.indexOf(spot);
  spareThumbnails(container);
  shownAtFirst = Math.max(AT_ONCE, tiles.length);
  redraw();
  shownAtFirst = AT_ONCE;
  forgetSpares();
  container.scrollTop = top;
  if (!active || container.contains(document.activeElement)) return;
  const again = [...container.querySelectorAll(spot?.dataset.row ? "[data-row]:not(canvas)" : "[data-group]")];
  const next = spot?.dataset.row && again.find(({ dataset }) => dataset.row === spot.dataset.row) || again[Math.min(index, again.length - 1)];
  const field = active.className && container.querySelector(`.${active.className.split(" ")[0]}`);
  const target = index >= 0 ? next?.querySelector("button") ?? next : field;
  (target ?? container).focus({ preventScroll: true });
}
