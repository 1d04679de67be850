"use strict";
// Search: in file names, folders, clusters and dates, and in what the pictures show. The words are
// those of the model's vocabulary; what is above a word in WordNet finds it, too.

const vocabulary = data.vocabulary ?? [];  // [offset, words, parents, what it is called]
const SURE = 5;                            // tenths of the class probability
const plain = (text) => text.toLowerCase().replace(/[\s_-]+/g, " ").trim();
const wordsOf = (place) => [...vocabulary[place][1].split("|"), ...(vocabulary[place][3] ? [vocabulary[place][3]] : [])];
const calledOf = (place) => vocabulary[place][3] || vocabulary[place][1].split("|")[0];

const whole = new Map(), parts = new Map();  // word, or a word within one → places in the vocabulary
for (let place = 0; place < vocabulary.length; place++) {
  const note = (index, word) => { if (index.has(word)) index.get(word).add(place); else index.set(word, new Set([place])); };
  for (const word of wordsOf(place)) {
    note(whole, plain(word));
    for (const part of plain(word).split(" ")) note(parts, part);
  }
}

// What a word may be the plural of.
const singulars = (word) => [word, ...[["ies", "y"], ["ves", "f"], ["es", ""], ["s", ""]]
  .filter(([ending]) => word.endsWith(ending) && word.length > ending.length + 1)
  .map(([ending, one]) => word.slice(0, -ending.length) + one)];

function meanings(word, alone) {
  for (const index of alone ? [whole, parts] : [whole]) {
    for (const form of singulars(word)) if (index.has(form)) return index.get(form);
  }
  return null;
}

// What is typed as things to look for, the longest known words first: `garbage truck` is one thing.
function parse(text) {
  const tokens = text.toLowerCase().split(/\s+/).filter(Boolean), terms = [];
  while (tokens.length) {
    for (let length = Math.min(4, tokens.length); length; length--) {
      const typed = tokens.slice(0, length).join(" "), places = meanings(plain(typed), length === 1);
      if (!places && length > 1) continue;
      terms.push({ typed, places });
      tokens.splice(0, length);
      break;
    }
  }
  return terms;
}

const aboveOf = new Map();
function above(place) {
  if (!aboveOf.has(place)) {
    const found = new Set([place]);
    for (const parent of vocabulary[place][2]) for (const each of above(parent)) found.add(each);
    aboveOf.set(place, found);
  }
  return aboveOf.get(place);
}

const isUnder = (place, wanted) => [...above(place)].some((each) => wanted.has(each));

// Of a picture that nobody has looked at its cluster's words count: [place, tenths].
const clusterTags = base.groups.map(({ suggested }) => !suggested ? [] :
  [suggested.name, ...suggested.tags].filter(Boolean).flatMap((word) =>
    [...(whole.get(plain(word.replace(/ \d+$/, ""))) ?? [])].map((place) => [place, Math.floor(suggested.confidence * 9.99)])));

const isSeen = (row) => Boolean(data.tags?.length) && data.tags[row] !== null;
const tagsOf = (row) => isSeen(row) ? data.tags[row].map((tag) => [Math.floor(tag / 10), tag % 10]) : clusterTags[base.group[row]];

// How surely a picture shows one of these, in tenths; 0: nothing says so.
function shareOf(row, wanted) {
  let best = 0;
  for (const [place, tenths] of tagsOf(row)) if (isUnder(place, wanted)) best = Math.max(best, tenths);
  return best;
}

const MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const takenOf = (row) => data.taken?.length && data.taken[row] !== null ? new Date(data.taken[row] * 1000) : null;
const cameraOf = (row) => data.camera?.length && data.camera[row] !== null ? data.cameras[data.camera[row]] : null;

// Everything about a picture that is written somewhere, in lower case.
function writtenOf(row) {
  const taken = takenOf(row), date = taken ? `${taken.toISOString().slice(0, 10)} ${taken.getUTCDate()} ${MONTHS[taken.getUTCMonth()]} ${taken.getUTCFullYear()}` : "";
  return [fileName(row), data.path[row], groups[data.group[row]].folder, clusterName(data.group[row]), date, cameraOf(row) ?? ""].join("\n").toLowerCase();
}

const BY_NAME = 10;
// Rows that all terms fit, the surest first: { rows, score of each }.
function searchRows(text) {
  const typed = text.trim().toLowerCase(), terms = parse(typed), score = new Map();
  for (let row = 0; row < count; row++) {
    if (!isInSpan(row)) continue;
    const written = writtenOf(row);
    let least = written.includes(typed) ? BY_NAME : Infinity;
    for (const term of least === BY_NAME ? [] : terms) {
      const tenths = written.includes(term.typed) ? BY_NAME : term.places ? shareOf(row, term.places) : 0;
      least = Math.min(least, tenths);
      if (!least) break;
    }
    if (least && least !== Infinity) score.set(row, least);
  }
  return { terms, score, rows: [...score.keys()].sort((a, b) => score.get(b) - score.get(a) || a - b) };
}

// Known words that are written much like it.
function nearWords(word) {
  const pairs = (text) => new Set(Array.from({ length: text.length + 1 }, (_, i) => ` ${text} `.slice(i, i + 2)));
  const own = pairs(plain(word));
  const likeness = (other) => { const its = pairs(other); let both = 0; for (const pair of own) both += its.has(pair); return 2 * both / (own.size + its.size); };
  return [...whole.keys()].map((other) => [likeness(other), other]).filter(([value]) => value >= 0.5).sort((a, b) => b[0] - a[0]).slice(0, 3).map(([, other]) => other);
}

const inQuotes = (text) => `“${text}”`;
const meant = (term) => [...new Set([...term.places].map(calledOf))].slice(0, 3).join(" or ");

function whyNothing(terms) {
  const said = ["No file name, folder, cluster or date holds this."];
  if (!vocabulary.length) return [...said, "Nobody has looked at what these pictures show, so only names are searched. “itae-cluster preview” on this folder finds it out."].join(" ");
  for (const { typed, places } of terms) {
    if (places) said.push(`No picture seems to show ${inQuotes(typed)}.`);
    else {
      const near = nearWords(typed);
      said.push(`${inQuotes(typed)} is none of the thousand things that the model knows${near.length ? `; near it: ${near.join(", ")}` : ""}.`);
    }
  }
  return said.join(" ");
}

function howFound(rows, score, terms) {
  const named = rows.filter((row) => score.get(row) === BY_NAME).length;
  const sure = rows.filter((row) => score.get(row) < BY_NAME && score.get(row) >= SURE).length;
  const rest = rows.length - named - sure, shown = terms.filter(({ places }) => places).map(meant).join(", ");
  const said = [[named, "by name"], [sure, `that seem to show ${shown}`], [rest, `that may show ${shown}`]].filter(([n]) => n).map(([n, how]) => `${number(n)} ${how}`);
  return `${plural(rows.length, "picture")}: ${said.join(", ")}${rows.length > MOST_FOUND ? `; the first ${MOST_FOUND} listed` : ""}. ${sure + rest ? "The model knows a thousand things, and it can be wrong." : ""}`;
}

function listFound() {
  const { rows, score, terms } = searchRows(search.value);
  const note = (row) => score.get(row) < SURE ? `perhaps · ${clusterName(data.group[row])}` : clusterName(data.group[row]);
  drawList(rows.slice(0, MOST_FOUND).map((row) => rowItem(row, note(row))),
    quiet(rows.length ? howFound(rows, score, terms) : whyNothing(terms)),
    rows.length ? button("Select them", () => { tick(rows, true); openTicked(); }) : null);
  if (details.hidden) setLit((row) => score.has(row));
}

// What a picture shows, in words: the surest first.
function shownIn(row) {
  if (!isSeen(row)) return null;
  const words = tagsOf(row).filter(([place]) => vocabulary[place][3] || place < 1000).map(([place, tenths]) => (tenths < SURE ? "perhaps " : "") + calledOf(place));
  return words.length ? words.join(", ") : null;
}
