"use strict";
// The document that Python wrote, and what the other scripts ask of it. A picture is a row number,
// a cluster the number of its group; noise is the last group and has no number.

const data = JSON.parse(document.getElementById("data").textContent);
const count = data.x.length;
const groups = data.groups;

// Rows of each group, most typical first.
const byTypicality = (rows) => [...rows].sort((a, b) => (data.distance[a] ?? 9) - (data.distance[b] ?? 9) || a - b);
const mostTypicalFirst = byTypicality(data.x.keys());
const members = groups.map(() => []);
for (const row of mostTypicalFirst) members[data.group[row]].push(row);

// The place of each row in that order: 0 is the most typical.
const placeOf = new Int32Array(count);
for (const rows of members) rows.forEach((row, place) => { placeOf[row] = place; });

// Other clusters take the place of these: `of` is the place of each row's in `order`, which lists them.
function setGroups(made, of, order) {
  const number = new Map(order.map((place, group) => [place, group]));
  groups.splice(0, groups.length, ...made);
  members.splice(0, members.length, ...made.map(() => []));
  for (const row of mostTypicalFirst) members[data.group[row] = number.get(of[row])].push(row);
  for (const rows of members) rows.forEach((row, place) => { placeOf[row] = place; });
}

const isNoise = (group) => groups[group].number === null;
const fileName = (row) => data.shown[row] ?? data.path[row].slice(data.path[row].lastIndexOf("/") + 1);
const isSample = data.total > count;

// Paths are bytes. What is not UTF-8 came as lone surrogates, U+DC80 to U+DCFF for bytes 80 to FF.
function toBytes(text) {
  const bytes = [], encoder = new TextEncoder();
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

// The picture beside this page as an address relative to it.
function link(row) {
  const plain = /[A-Za-z0-9/._~-]/;
  return Array.from(toBytes(data.path[row]), (byte) => {
    const character = String.fromCharCode(byte);
    return plain.test(character) ? character : "%" + byte.toString(16).padStart(2, "0");
  }).join("");
}

const number = (value) => value.toLocaleString("en");
const plural = (value, one, many = one + "s") => `${number(value)} ${value === 1 ? one : many}`;

// Elements are made here and nowhere from markup, so a file name can only ever be text.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const find = (selector) => document.querySelector(selector);

// Emptied first, so that the same message is shown and read out again.
function say(message) {
  find("#status").textContent = "";
  requestAnimationFrame(() => { find("#status").textContent = message; });
}

// What a browser may refuse to keep for a page from a disk is kept as long as the page is open.
const kept = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* it stays in the page */ } },
};
