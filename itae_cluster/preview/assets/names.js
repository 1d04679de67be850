"use strict";
// What clusters are called.

const LONGEST_NAME = 100;
const RESERVED = [NOISE_FOLDER, REJECTED_FOLDER, "contact"];

const givenName = (group) => groups[group].name;
const suggestedName = (group) => groups[group].suggested?.name ?? undefined;
const clusterName = (group) => labelOf(groups[group]);
// A folder that somebody named is called by that on the map; of others the number is enough.
const folderName = (group) => groups[group].folder.slice(groups[group].folder.lastIndexOf("/") + 1);
const isNumbered = (group) => /^cluster-\d{3,}$/.test(folderName(group));
const shortName = (group) => givenName(group) ?? suggestedName(group) ?? (isNumbered(group) ? String(groups[group].number) : folderName(group));

// What is wrong with a name for the cluster of that key, or for a new one; "" where nothing is.
function nameFault(name, key) {
  if (!name) return "A name has at least one character.";
  if (/[\\/\u0000-\u001f\u007f-\u009f]/.test(name)) return "A name holds no slash, backslash or control character.";
  if (/^\.|[. ]$/.test(name)) return "A name neither begins nor ends with a dot.";
  if (name.length > LONGEST_NAME) return `A name has at most ${LONGEST_NAME} characters.`;
  const taken = [...RESERVED, ...current.clusters.filter((cluster) => cluster.key !== key && cluster.count).map(calledNow)];
  return taken.some((each) => folded(each) === folded(name)) ? "Another cluster has this name." : "";
}

const cleanName = (wanted) => wanted.trim().normalize("NFC");

// --- a name to propose ----------------------------------------------------------------------------

const MOST_OF_IT = 0.6, APART = 6;  // shares: of these pictures, and how many times that of the others
const isShown = ([, tenths]) => tenths >= SURE;
let everywhere = null;  // of all pictures that were looked at: how many, and what they show

// Words and those above them → how many of these pictures seem to show that.
function countShown(rows) {
  const counts = new Map();
  for (const row of rows) {
    const shown = new Set(tagsOf(row).filter(isShown).flatMap(([place]) => [...above(place)]));
    for (const place of shown) counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return { size: rows.length, counts };
}

// The rarest word that most of these pictures show and few others, for the cluster of that key or a
// new one; null where there is none, or too few were looked at.
function proposeName(rows, key) {
  everywhere ??= countShown([...data.x.keys()].filter(isSeen));
  const { size, counts } = countShown(rows.filter(isSeen)), others = everywhere.size - size;
  if (size < rows.length / 2 || !others) return null;
  const total = (place) => everywhere.counts.get(place);
  const fits = ([place, own]) => vocabulary[place][3] && own >= MOST_OF_IT * (size + 1) && own / size >= APART * (total(place) - own) / others;
  const [best] = [...counts].filter(fits).sort(([a], [b]) => total(a) - total(b) || above(b).size - above(a).size);
  if (!best) return null;
  const word = calledOf(best[0]), numbers = Array.from({ length: 98 }, (_, i) => `${word} ${i + 2}`);
  return [word, ...numbers].find((name) => !nameFault(name, key)) ?? null;
}

// Give a cluster a name, or its old one back with "". Returns what is wrong with it.
function rename(group, wanted) {
  const name = cleanName(wanted), { key, folder } = groups[group];
  const fault = !name || name === folder ? "" : nameFault(name, key);
  if (!fault && name !== clusterName(group)) renameCluster(key, name === folder ? "" : name);
  return fault;
}
