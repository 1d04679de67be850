"use strict";
// The list of changes, and the file that `itae-cluster edit` reads (docs/preview.md).

function changesDocument() {
  const paths = (rows) => rows.map((row) => data.path[row]);
  const changes = operations.map((op) => {
    if (op.move) return { move: paths(op.move), to: op.to };
    if (op.reject) return { reject: paths(op.reject) };
    if (op.example) return { example: paths(op.example) };
    return op;
  });
  return JSON.stringify({ schema: "itae-cluster/changes", schema_version: 1, ...(data.result && { result: data.result }), changes }, null, 1) + "\n";
}

// How a shell takes a word.
function quoted(word, windows) {
  if (windows) return /[^\w:\\.-]/.test(word) ? `"${word}"` : word;
  return /[^\w@%+=:,./-]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word;
}

// The folder of this page, where it was opened from a disk.
function resultFolder() {
  if (location.protocol !== "file:") return "OUT";
  try {
    const path = decodeURIComponent(location.pathname.slice(0, location.pathname.lastIndexOf("/"))) || "/";
    return /^\/[A-Za-z]:/.test(path) ? quoted(path.slice(1).replaceAll("/", "\\"), true) : quoted(path, false);
  } catch { return "OUT"; }
}

const editCommand = () => `itae-cluster edit ${resultFolder()} changes.json`;

function saveChanges() {
  download("changes.json", "application/json", changesDocument());
  say(`Saved changes.json. Carry it out with: ${editCommand()}`);
}

function summary(op, { before, after }) {
  const from = before.map(({ label, size }) => size === undefined ? label : `${label} (${number(size)})`);
  const shown = from.length > 3 ? `${from.slice(0, 3).join(", ")} and ${from.length - 3} more` : from.join(", ");
  const what = { move: "Move", reject: "Take away", example: "Mark as example", merge: "Merge", split: "Split", rename: "Rename", regroup: "How fine" }[kindOf(op)];
  const rows = rowsOf(op);
  return { what: rows.length ? `${what}: ${plural(rows.length, "picture")}` : what, shown, after };
}

function openChanges({ focus = false } = {}) {
  opened = { kind: "changes" };
  const entries = operations.map((op, place) => {
    const { what, shown, after } = summary(op, current.log[place]), rows = rowsOf(op);
    return element("li", { class: "change" },
      element("div", { class: "line" }, element("span", { class: "label" }, what),
        element("button", { type: "button", class: "icon drop", "aria-label": `Drop this change: ${what}, ${after}`, title: "Drop this change", onclick: () => dropAndSay(place) }, "×")),
      element("p", {}, element("span", { class: "before" }, shown), " → ", element("strong", {}, after)),
      op.split ? element("p", { class: "quiet" }, "Which picture goes into which part is found when it is carried out; the cluster's panel shows a guess.") : null,
      rows.length ? element("div", { class: "strip small", "aria-hidden": "true" }, ...rows.slice(0, 8).map(thumbnail)) : null);
  });
  openDetails("Changes", null, focus,
    element("h2", {}, plural(operations.length, "change")),
    element("p", { class: "quiet" }, operations.length ? "No file has been touched yet. Save them, then carry them out:" : "Nothing has been changed."),
    operations.length ? element("div", { class: "path" }, element("code", {}, visible(editCommand())), button("Copy", () => copyText(editCommand(), "the command"))) : null,
    element("div", { class: "actions" },
      operations.length ? button("Save changes.json", saveChanges, { id: "save-changes" }) : null,
      operations.length ? button("Drop all", () => { setOperations([]); say("All changes dropped. Ctrl+Z takes it back."); }) : null),
    operations.length ? element("ol", { class: "changes" }, ...entries) : null);
}

function dropAndSay(place) {
  const faults = dropOperation(place);
  say(faults.length ? `Dropped, and with it what needed it: ${faults.join("; ")}.` : "Dropped. Ctrl+Z takes it back.");
}

function drawChanges() {
  const known = operations.length + past.length + future.length > 0;
  for (const id of ["#undo", "#redo", "#changes"]) find(id).hidden = !known;
  find("#undo").disabled = !past.length;
  find("#redo").disabled = !future.length;
  find("#changes").textContent = operations.length ? `${plural(operations.length, "change")}` : "Changes";
}

find("#undo").addEventListener("click", undo);
find("#redo").addEventListener("click", redo);
find("#changes").addEventListener("click", () => openChanges({ focus: true }));
document.addEventListener("edited", drawChanges);
