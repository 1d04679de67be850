"use strict";
// A strip of months below the map: drag over it to see the pictures of that time alone.

const strip = find("#months");
const monthOf = (seconds) => { const date = new Date(seconds * 1000); return date.getUTCFullYear() * 12 + date.getUTCMonth(); };
const rowMonth = Array.from({ length: data.taken?.length ? count : 0 }, (_, row) => data.taken[row] === null ? null : monthOf(data.taken[row]));
const dated = rowMonth.filter((month) => month !== null);
const firstMonth = dated.reduce((a, b) => Math.min(a, b), Infinity), lastMonth = dated.reduce((a, b) => Math.max(a, b), -Infinity);
const MOST_BARS = 120, LEAST_DATED = 0.1;  // of the pictures; a strip of fewer would hide nearly all of them
let span = null;  // [first, last] month that is looked at, null for all

const monthName = (month) => `${MONTHS[((month % 12) + 12) % 12].slice(0, 3)} ${Math.floor(month / 12)}`.replace(/^./, (letter) => letter.toUpperCase());
const isInSpan = (row) => !span || (rowMonth[row] !== null && rowMonth[row] !== undefined && rowMonth[row] >= span[0] && rowMonth[row] <= span[1]);

function drawMonths() {
  strip.hidden = dated.length < LEAST_DATED * count || dated.length < 2 || firstMonth === lastMonth;
  if (strip.hidden) return;
  const months = lastMonth - firstMonth + 1, each = Math.ceil(months / MOST_BARS), bars = new Array(Math.ceil(months / each)).fill(0);
  for (const month of dated) bars[Math.floor((month - firstMonth) / each)] += 1;
  const most = Math.max(...bars);
  const bar = (size, place) => {
    const from = firstMonth + place * each, to = Math.min(lastMonth, from + each - 1);
    const made = element("span", { class: span && (to < span[0] || from > span[1]) ? "bar off" : "bar", title: `${monthName(from)}${to > from ? " to " + monthName(to) : ""}: ${plural(size, "picture")}` });
    made.style.setProperty("--share", size ? Math.max(0.08, size / most) : 0);
    return made;
  };
  const undated = count - dated.length;
  strip.replaceChildren(
    element("div", { class: "bars" }, ...bars.map(bar)),
    element("p", {}, element("span", {}, monthName(span ? span[0] : firstMonth)),
      span ? button("All dates", () => setSpan(null)) : element("span", { class: "quiet" }, undated ? `${plural(undated, "picture")} without a date` : "drag to choose"),
      element("span", {}, monthName(span ? span[1] : lastMonth))));
  strip.monthAt = (x) => { const box = strip.firstChild.getBoundingClientRect(); return firstMonth + Math.max(0, Math.min(months - 1, Math.floor((x - box.left) / box.width * bars.length) * each)); };
  strip.monthsEach = each;
}

function setSpan(wanted) {
  span = wanted;
  drawMonths();
  redrawList();
  paintDots();
  queueDraw();
}

let brush = null;
strip.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".bars")) return;
  brush = strip.monthAt(event.clientX);
  strip.setPointerCapture(event.pointerId);
});
strip.addEventListener("pointermove", (event) => { if (brush !== null) setSpanTo(event.clientX); });
strip.addEventListener("pointerup", (event) => { if (brush !== null) setSpanTo(event.clientX); brush = null; });
strip.addEventListener("pointercancel", () => { brush = null; });
function setSpanTo(x) {
  const here = strip.monthAt(x), wanted = [Math.min(brush, here), Math.max(brush, here) + strip.monthsEach - 1];
  if (!span || span[0] !== wanted[0] || span[1] !== wanted[1]) setSpan(wanted);
}

// --- in words ---------------------------------------------------------------------------------

// How typical a picture is of its cluster, by how far it lies from its centre beside the others.
function typicality(row) {
  const group = data.group[row], rows = members[group], distance = data.distance[row];
  if (isNoise(group) || distance === null || rows.length < 3) return null;
  const times = distance / (data.distance[rows[rows.length >> 1]] || 1);
  return times > 1.5 ? "far from its cluster" : times > 1.2 ? "not typical" : placeOf[row] < rows.length / 4 ? "very typical" : times > 1.05 ? "less typical" : "typical";
}

// The words, which open to say what was measured.
function typicalityNote(row) {
  const words = typicality(row), distance = data.distance[row];
  if (distance === null) return null;
  return element("details", { class: "explained" }, element("summary", {}, words ?? "how far"),
    `Its distance to the middle of the cluster is ${distance.toFixed(3)}: 0 is the same, 2 the opposite; half of the cluster's pictures are within ${(data.distance[members[data.group[row]][members[data.group[row]].length >> 1]] ?? distance).toFixed(3)}.`);
}

// Rows of a cluster by what the reader chose: typicality, time or name.
let sortBy = "typicality";
const compareNames = new Intl.Collator("en", { numeric: true }).compare;
function sortRows(rows) {
  if (sortBy === "name") return [...rows].sort((a, b) => compareNames(fileName(a), fileName(b)));
  if (sortBy === "time") return [...rows].sort((a, b) => (data.taken[a] ?? Infinity) - (data.taken[b] ?? Infinity) || a - b);
  return rows;
}
function sortField(group) {
  const ways = [["typicality", isNoise(group) ? "nearest to a cluster first" : "most typical first"], ...(data.taken?.length ? [["time", "by date"]] : []), ["name", "by name"]];
  return element("select", { class: "sort", "aria-label": "Sort the pictures", onchange: ({ target }) => { sortBy = target.value; openCluster(group); find("#details .sort").focus(); } },
    ...ways.map(([value, label]) => element("option", { value, selected: value === sortBy }, label)));
}
drawMonths();
