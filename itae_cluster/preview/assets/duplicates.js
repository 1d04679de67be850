"use strict";
// Near-duplicates: how alike is up to the reader, and the best of each group is proposed to be kept.

const alike = data.alike?.one.length ? data.alike : null;
const THOUSAND = 1000;  // the slider counts in thousandths
let likeness = data.nearDuplicate;

// Groups of which any two rows are at least this alike. Pairs come most alike first; two groups become
// one where every pair across them is there.
function groupsAlike(least, pictures) {
  const partners = new Map(), groupOf = new Map();
  for (let i = 0; i < alike.one.length && alike.cosines[i] >= least; i++) {
    const one = alike.one[i], other = alike.other[i];
    if (!pictures(one) || !pictures(other)) continue;
    for (const [row, partner] of [[one, other], [other, one]]) {
      if (!partners.has(row)) { partners.set(row, new Set()); groupOf.set(row, [row]); }
      partners.get(row).add(partner);
    }
  }
  for (let i = 0; i < alike.one.length && alike.cosines[i] >= least; i++) {
    const first = groupOf.get(alike.one[i]), second = groupOf.get(alike.other[i]);
    if (!first || !second || first === second) continue;
    if (!first.every((row) => second.every((other) => partners.get(row).has(other)))) continue;
    const joined = [...first, ...second];
    for (const row of joined) groupOf.set(row, joined);
  }
  return [...new Set(groupOf.values())].filter((rows) => rows.length > 1);
}

function duplicateGroups() {
  const wanted = (row) => !isRejected(groups[data.group[row]]);
  const found = alike ? groupsAlike(likeness, wanted) : data.duplicates.map((rows) => rows.filter(wanted)).filter((rows) => rows.length > 1);
  return found.map(bestFirst).sort((a, b) => b.length - a.length || a[0] - b[0]);
}

// The most pixels, then the largest file, then the most typical.
const pixelsOf = (row) => (data.measures?.[row]?.[0] ?? 0) * (data.measures?.[row]?.[1] ?? 0);
const bestFirst = (rows) => byTypicality(rows).sort((a, b) => pixelsOf(b) - pixelsOf(a) || (data.measures?.[b]?.[2] ?? 0) - (data.measures?.[a]?.[2] ?? 0));

function measureOf(row) {
  const found = data.measures?.[row];
  if (!found) return null;
  const [width, height, bytes] = found;
  return `${width} × ${height}, ${bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`}`;
}

const likenessText = () => likeness.toFixed(3).replace(/0$/, "");

// The first time, the limit is lowered until there is something to see.
let likenessChosen = false;
function chooseLikeness() {
  likenessChosen = true;
  if (!alike) return;
  const top = alike.cosines[0];
  if (top < likeness) likeness = Math.max(data.alike.from, Math.floor(top * 100) / 100);
}

function listDuplicates() {
  if (!likenessChosen) chooseLikeness();
  drawLikeness();  // the first time, it has just been chosen
  const found = duplicateGroups(), extra = found.flatMap((rows) => rows.slice(1));
  drawList(found.map((rows) => item({ class: "cluster duplicates", onclick: () => openDuplicates(rows) },
    element("span", { class: "line" }, element("span", { class: "label" }, fileName(rows[0])), element("span", { class: "count" }, number(rows.length))),
    element("span", { class: "strip", "aria-hidden": "true" }, ...rows.slice(0, 4).map(thumbnail)))),
  quiet(found.length ? `${plural(found.length, "group")} in which any two pictures are at least ${likenessText()} alike.` : alike ? `No two pictures are ${likenessText()} alike or more.` : `No two pictures are ${data.nearDuplicate} alike or more.`),
  found.length ? element("div", { class: "actions" },
    button(`Keep the best (${number(extra.length)} not wanted)`, () => rejectAndSay(extra), { id: "keep-best" }),
    button("Select the others", () => { tick(extra, true); openTicked(); })) : null);
}

function drawLikeness() {
  const slider = find("#likeness");
  find("#likeness-box").hidden = !alike || tab !== "duplicates" || search.value.trim() !== "";
  if (!alike) return;
  slider.min = Math.ceil(alike.from * THOUSAND / 5) * 5;
  slider.value = Math.round(likeness * THOUSAND);
  slider.setAttribute("aria-valuetext", likenessText());
}

find("#likeness").addEventListener("input", ({ target }) => {
  likeness = Number(target.value) / THOUSAND;
  keepPlace(list, redrawList);
});

function openDuplicates(rows) {
  const isBest = (row) => row === rows[0];
  openRows(plural(rows.length, "near-duplicate"), `Any two are at least ${likenessText()} alike (cosine).`, rows, {
    focus: true,
    note: (row) => [isBest(row) ? "best" : null, measureOf(row)].filter(Boolean).join(" · ") || null,
    actions: [button("Keep the best, the others not wanted", () => { rejectAndSay(rows.slice(1)); closeDetails(); }), button("Select the others", () => tick(rows.slice(1), true))],
  });
}
