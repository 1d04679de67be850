"use strict";
// What clusters are called.

const LONGEST_NAME = 100;
const RESERVED = [NOISE_FOLDER, REJECTED_FOLDER, "contact"];

const givenName = (group) => groups[group].name;
const suggestedName = (group) => groups[group].suggested?.name ?? undefined;
const clusterName = (group) => labelOf(groups[group]);
// A folder that somebody named is called by that on the map; of others the number is enough.
const folderName = (group) => groups[group].folder.slice(groups[group].folder.lastIndexOf("/") + 1);
const shortName = (group) => givenName(group) ?? suggestedName(group) ?? (/^cluster-\d{3,}$/.test(folderName(group)) ? String(groups[group].number) : folderName(group));

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

// Give a cluster a name, or its old one back with "". Returns what is wrong with it.
function rename(group, wanted) {
  const name = cleanName(wanted), { key, folder } = groups[group];
  const fault = !name || name === folder ? "" : nameFault(name, key);
  if (!fault && name !== clusterName(group)) renameCluster(key, name === folder ? "" : name);
  return fault;
}
