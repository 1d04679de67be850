"use strict";
// The menu that asks for a cluster: recent ones first, then those of pictures that are most alike.

const send = find("#send"), sendField = find("#send-field"), sendList = find("#send-list");
const MOST_OFFERED = 60, MOST_RECENT = 5;
let recent = [];      // keys of clusters that were sent to
let sending = null;   // { rows, choose, except }
let marked = 0;       // the option that Enter takes

function openSend(rows, { fresh = false } = {}) {
  const own = new Set(rows.map((row) => data.group[row]));
  askForCluster(`Move ${many(rows)}`, {
    rows, except: own.size === 1 ? [...own][0] : -1, fresh, allowNew: true,
    choose: (key) => { recent = [key, ...recent.filter((each) => each !== key)].slice(0, MOST_RECENT); moveAndSay(rows, key); },
  });
}

function askForCluster(title, wish) {
  sending = wish;
  find("#send-title").textContent = title;
  sendField.value = "";
  sendField.placeholder = wish.fresh ? "Name of the new cluster" : wish.allowNew ? "Find a cluster, or name a new one" : "Find a cluster";
  sendField.setAttribute("aria-label", sendField.placeholder);
  offer();
  send.showModal();
  sendField.focus();
}

// Clusters by how many of the pictures most like these are in them.
function nearClusters(rows) {
  const tally = new Map();
  for (const row of rows.slice(0, 500)) for (const other of data.neighbours[row] ?? []) tally.set(data.group[other], (tally.get(data.group[other]) ?? 0) + 1);
  return [...tally].sort((a, b) => b[1] - a[1]).map(([group]) => group);
}

function offer() {
  const wanted = sendField.value.trim().toLowerCase(), { rows = [], except, fresh, allowNew } = sending;
  const recents = recent.map((key) => groups.findIndex((group) => group.key === key)).filter((group) => group >= 0);
  const near = nearClusters(rows);
  const order = [...new Set([...recents, ...near, ...groups.keys()])].filter((group) => group !== except && !isRejected(groups[group]) && !(isNoise(group) && !allowNew));
  const found = fresh ? [] : order.filter((group) => !wanted || [clusterName(group), groups[group].folder, ...(groups[group].suggested?.tags ?? [])].some((text) => text.toLowerCase().includes(wanted))).slice(0, MOST_OFFERED);
  // What begins with the letters goes before what holds them.
  if (wanted) found.sort((a, b) => clusterName(b).toLowerCase().startsWith(wanted) - clusterName(a).toLowerCase().startsWith(wanted));
  const note = (group) => recents.includes(group) ? "recent" : !wanted && near.slice(0, 3).includes(group) ? "alike" : "";
  const options = found.map((group) => option(() => sending.choose(groups[group].key),
    members[group].length ? thumbnail(groups[group].typical[0] ?? members[group][0]) : null, swatch(group),
    element("span", { class: "label" }, clusterName(group)), element("span", { class: "quiet" }, note(group)), element("span", { class: "count" }, number(groups[group].count))));
  const name = cleanName(sendField.value), fault = name ? nameFault(name) : "";
  const word = allowNew ? proposeName(rows) : null;  // after the likeliest, before the many
  if (word && word !== name && word.toLowerCase().includes(wanted)) options.splice(3, 0, option(() => sending.choose(word), element("span", { class: "label" }, `New cluster “${word}”`), element("span", { class: "quiet" }, "perhaps")));
  if (allowNew && name && !fault) options.push(option(() => sending.choose(name), element("span", { class: "label" }, `New cluster “${name}”`)));
  find("#send-fault").textContent = allowNew && name && fault && !found.length ? fault : "";
  sendList.replaceChildren(...options);
  options.forEach((each, place) => { each.id = `send-${place}`; });
  mark(0);
}

function option(choose, ...content) {
  const made = element("li", { role: "option", "aria-selected": "false", onclick: () => { send.close(); choose(); } }, ...content);
  made.addEventListener("pointermove", () => mark([...sendList.children].indexOf(made)));
  return made;
}

function mark(place) {
  marked = Math.max(0, Math.min(place, sendList.children.length - 1));
  [...sendList.children].forEach((each, other) => each.setAttribute("aria-selected", String(other === marked)));
  const chosen = sendList.children[marked];
  if (chosen) sendField.setAttribute("aria-activedescendant", chosen.id); else sendField.removeAttribute("aria-activedescendant");
  chosen?.scrollIntoView({ block: "nearest" });
}

sendField.addEventListener("input", offer);
sendField.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by) { event.preventDefault(); mark(marked + by); }
  if (event.key !== "Enter") return;
  event.preventDefault();
  sendList.children[marked]?.click();
});
send.addEventListener("click", (event) => { if (event.target === send) send.close(); });  // beside it
send.addEventListener("close", () => sendList.replaceChildren());
