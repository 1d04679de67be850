"use strict";
// Names that the reader gives to clusters, and the file they are saved to (docs/preview.md).

const LONGEST_NAME = 100;
const namesKey = `itae-cluster names ${data.key}`;
const names = new Map(Object.entries(JSON.parse(kept.get(namesKey) ?? "{}")));

// `names` is keyed by folder, which says what it is to the command that reads the file.
const givenName = (group) => names.get(groups[group].folder);
const suggestedName = (group) => groups[group].suggested?.name ?? undefined;
const clusterName = (group) => givenName(group) ?? suggestedName(group) ?? (isNoise(group) ? "unclustered" : groups[group].folder);
// A folder that somebody named is called by that on the map; of others the number is enough.
const folderName = (group) => groups[group].folder.slice(groups[group].folder.lastIndexOf("/") + 1);
const shortName = (group) => givenName(group) ?? suggestedName(group) ?? (/^cluster-\d{3,}$/.test(folderName(group)) ? String(groups[group].number) : folderName(group));

// What is wrong with a name, or "" where nothing is.
function nameFault(group, name) {
  if (/[\\/\u0000-\u001f\u007f-\u009f]/.test(name)) return "A name holds no slash, backslash or control character.";
  if (/^\.|[. ]$/.test(name)) return "A name neither begins nor ends with a dot.";
  if (name.length > LONGEST_NAME) return `A name has at most ${LONGEST_NAME} characters.`;
  const folded = name.normalize("NFC").toLowerCase();
  const taken = groups.some((_, other) => other !== group && [groups[other].folder, givenName(other) ?? ""].some((each) => each.normalize("NFC").toLowerCase() === folded));
  return taken ? "Another cluster has this name." : "";
}

// Give a cluster a name, or its old one back with "". Returns what is wrong with it.
function rename(group, wanted) {
  const name = wanted.trim().normalize("NFC"), { folder } = groups[group];
  if (!name || name === folder) names.delete(folder);
  else {
    const fault = nameFault(group, name);
    if (fault) return fault;
    names.set(folder, name);
  }
  kept.set(namesKey, JSON.stringify(Object.fromEntries(names)));
  namesChanged();
  return "";
}

function namesChanged() {
  find("#save-names").hidden = !names.size;
  makeCaptions();
  queueDraw();
  redrawList();
}

function namesDocument() {
  const clusters = groups.flatMap(({ number: cluster, folder }, group) => givenName(group) === undefined ? [] : [{ cluster, folder, name: givenName(group) }]);
  return JSON.stringify({ schema: "itae-cluster/names", schema_version: 1, clusters }, null, 2) + "\n";
}

find("#save-names").addEventListener("click", () => {
  download("names.json", "application/json", namesDocument());
  say("Saved names.json. Apply it with: itae-cluster rename OUT names.json");
});
