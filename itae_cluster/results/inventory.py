"""A result as it stands: what its manifest says of it, and what a person did with it since.

A picture that is not where the manifest says is looked for below OUT, and known by its content (a
symbolic link: by where it leads). One that is in another folder now counts as that folder's
cluster's; one that is nowhere was removed on purpose, and its digest is kept.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import path_of, path_record, to_json
from itae_cluster.core.errors import ResultError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE, REJECTED
from itae_cluster.results import manifest, paths
from itae_cluster.results.journal import FOLDER, Journal
from itae_cluster.results.moved import pick_moved, unknown_files
from itae_cluster.results.placements import REJECTED_FOLDER
from itae_cluster.results.validation import check_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "FIXED",
    "HeldPicture",
    "Inventory",
    "digest_places",
    "find_same",
    "fingerprint",
    "result_documents",
    "still_suggested",
    "take_inventory",
]

_MANIFEST = "manifest.json"
FIXED = frozenset({"moved", "example"})
"""Keys in the record of a picture that stays where a person put it, whatever the level."""

_SAME = 0.75  # of the pictures before and after together, from which on a name still fits


@dataclass(frozen=True, slots=True)
class HeldPicture:
    """One picture of a result: `destination` is where it is now, `cluster` what it counts as.

    `sidecars` are source and place of each file that follows it. `record` is the manifest's.
    """

    record: Mapping[str, Any]
    destination: str
    cluster: int
    sidecars: tuple[tuple[str, str], ...] = ()

    def as_record(self) -> dict[str, Any]:
        """What the manifest is to say; a distance to another cluster's centre is left out."""
        places = {"destination", "destination_base64", "sidecars"}
        record = {key: value for key, value in self.record.items() if key not in places}
        record |= path_record("destination", self.destination)
        if self.cluster != self.record["cluster"]:
            record |= {"cluster": self.cluster, "distance": None, "membership": None}
            record |= {} if self.cluster == REJECTED else {"moved": True}
        if self.sidecars:
            record["sidecars"] = [
                {**path_record("source", source), **path_record("destination", place)}
                for source, place in self.sidecars
            ]
        return record


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What a result holds. `folders` and `names` are those of clusters; not all have one.

    `suggested` is what the manifest says clusters may be called.
    `removed` says of each picture that a person took away where it came from and its digest;
    `state` is a digest of journal and manifest.
    """

    root: str
    head: Mapping[str, Any]
    pictures: tuple[HeldPicture, ...]
    removed: tuple[Mapping[str, Any], ...]
    folders: Mapping[int, str]
    names: Mapping[int, str]
    state: str
    suggested: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def digests(self) -> set[str]:
        """SHA-256 of every picture that is, or once was, in the result."""
        records = [*(item.record for item in self.pictures), *self.removed]
        return {record["sha256"] for record in records if "sha256" in record}

    def free_label(self) -> int:
        """A number above that of every cluster."""
        return max([NOISE, *self.folders, *(item.cluster for item in self.pictures)]) + 1


def digest_places(places: Iterable[str]) -> str:
    """SHA-256, in hex, of the places of all pictures of a result: what a page was made of."""
    return sha256(b"\0".join(sorted(map(os.fsencode, places)))).hexdigest()


def fingerprint(root: str) -> str:
    """A digest of journal and manifest: the same as long as no command changed the result."""
    return sha256(Journal(root).content() + _content(root)).hexdigest()


def take_inventory(root: str) -> Inventory:
    """Look at a result.

    Args:
        root: its real path.

    Raises:
        ResultError: if its manifest cannot be followed.
        OSError: if something in it cannot be read.
    """
    try:
        document = json.loads(_content(root))
        check_document(document, "manifest")
        records, clusters = document["pictures"], document["clusters"]
        places = _find_places(root, records)
        before = {int(c["cluster"]): path_of(c, "folder") for c in clusters if "folder" in c}
        folders = _find_folders(root, before, records, places)
        labels = {folder: label for label, folder in reversed(folders.items())}
        # A picture that is nowhere was taken away on purpose: by its digest it is not added again.
        removed = [dict(item) for item in document.get("removed", [])]
        pictures: list[HeldPicture] = []
        for record, place in zip(records, places, strict=True):
            if place is not None:
                pictures.append(_look_at(root, record, place, folders, labels))
            elif "sha256" in record:
                removed.append(_removed_record(record))
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"{printable(os.path.join(root, _MANIFEST))} cannot be used: {error}; nothing was "
            "changed; put it back as it was"
        ) from error
    # A name that a person gave goes with the folder; one who renamed that has named it anew.
    present = {item.cluster for item in pictures}
    names = {int(c["cluster"]): str(c["name"]) for c in clusters if "name" in c}
    same = {n for n in names.keys() & present if folders.get(n) == before.get(n)}
    rest = {"pictures", "clusters", "removed"}
    return Inventory(
        root=root,
        head={key: value for key, value in document.items() if key not in rest},
        pictures=tuple(pictures),
        removed=tuple(removed),
        folders=folders,
        names={number: name for number, name in names.items() if number in same},
        state=fingerprint(root),
        suggested={int(c["cluster"]): c["suggested"] for c in clusters if "suggested" in c},
    )


def result_documents(
    inventory: Inventory,
    records: Sequence[Mapping[str, Any]],
    folders: Mapping[int, str],
    names: Mapping[int, str],
    skipped: Iterable[Mapping[str, Any]] = (),
    *,
    suggested: Mapping[int, Mapping[str, Any]],
) -> dict[str, bytes]:
    """The manifest and the table of a result that was changed.

    Args:
        inventory: the result before.
        records: what the manifest is to say of each picture.
        folders: of each cluster.
        names: those that a person gave to clusters.
        skipped: records of inputs that were passed over, beyond those of earlier runs.
        suggested: what clusters may be called.
    """
    labels = [record["cluster"] for record in records]
    document = {
        **inventory.head,
        "clusters": manifest.clusters(labels, folders, names, suggested),
        "pictures": list(records),
        **({"removed": list(inventory.removed)} if inventory.removed else {}),
        "skipped": [*inventory.head["skipped"], *skipped],
    }
    text = to_json(document, indent=2) + "\n"
    table = manifest.to_csv(records, folders, manifest.suggested_names(suggested))
    return {_MANIFEST: text.encode("ascii"), "clusters.csv": table}


def find_same(inventory: Inventory, labels: Sequence[int]) -> dict[int, int]:
    """Which cluster was nearly the same pictures before, by the number that it is to have.

    Args:
        inventory: the result before; a picture counts as its documents say, wherever it is now.
        labels: of its pictures, in their order, as they are to be; those of new ones may follow.
    """
    before = [int(item.record["cluster"]) for item in inventory.pictures]
    old, new = Counter(before), Counter(labels)
    shared = Counter(zip(before, labels, strict=False))
    return {
        now: then
        for (then, now), size in shared.items()
        if min(then, now) >= 0 and size >= _SAME * (old[then] + new[now] - size)
    }


def still_suggested(inventory: Inventory, labels: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Suggestions for clusters that are nearly the same pictures; others may be another thing."""
    same, known = find_same(inventory, labels), inventory.suggested
    return {now: known[then] for now, then in sorted(same.items()) if then in known}


def _content(root: str) -> bytes:
    path = os.path.join(root, _MANIFEST)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ResultError(f"{printable(path)} is a link or a folder; put the file back")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ResultError(
            f"{printable(path)} is missing, and nothing can be changed without it; put it back"
        ) from None


def _removed_record(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**path_record("source", path_of(record, "source")), "sha256": record["sha256"]}


def _find_places(root: str, records: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The place of each picture, None where it is nowhere."""
    places: list[str | None] = []
    for record in records:
        place = path_of(record, "destination")
        path = paths.resolve(root, place) if paths.is_inside(place) else None
        if path is None or place.split("/")[0] == FOLDER:
            raise ValueError(f"{printable(place)} leads out of the result")
        places.append(place if os.path.lexists(path) else None)
    missing = [number for number, place in enumerate(places) if place is None]
    if missing:
        taken = {place for place in places if place is not None}
        wanted = {records[number].get("size") for number in missing}
        files = unknown_files(root, taken, wanted)
        for number in missing:
            places[number] = pick_moved(records[number], files)
    return places


def _find_folders(
    root: str,
    old: Mapping[int, str],
    records: Sequence[Mapping[str, Any]],
    found: Sequence[str | None],
) -> dict[int, str]:
    """The folder of each cluster: one that a person renamed is known by most of its pictures."""
    folders = {
        label: folder for label, folder in old.items() if os.path.isdir(paths.resolve(root, folder))
    }
    taken = set(folders.values())
    for label in old.keys() - folders.keys():
        moved = Counter(
            os.path.dirname(place)
            for record, place in zip(records, found, strict=True)
            if place is not None and int(record["cluster"]) == label
        )
        best = next((name for name, _ in moved.most_common() if name and name not in taken), None)
        if best is not None:
            folders[label] = best
            taken.add(best)
    free = max([NOISE, *folders, *(int(record["cluster"]) for record in records)]) + 1
    for folder in sorted({os.path.dirname(place) for place in found if place}):
        # A folder that a person made is a cluster of its own.
        if folder == REJECTED_FOLDER and folder not in taken and REJECTED not in folders:
            folders[REJECTED] = folder
            taken.add(folder)
        elif folder and not any(_is_in(known, folder) for known in taken):
            folders[free] = folder
            taken.add(folder)
            free += 1
    return folders


def _is_in(folder: str, other: str) -> bool:
    return other == folder or other.startswith(f"{folder}/")


def _look_at(
    root: str,
    record: Mapping[str, Any],
    place: str,
    folders: Mapping[int, str],
    labels: Mapping[str, int],
) -> HeldPicture:
    cluster = int(record["cluster"])
    folder = os.path.dirname(place)
    if folder != os.path.dirname(path_of(record, "destination")) and folder != folders.get(cluster):
        while folder and folder not in labels:
            folder = os.path.dirname(folder)
        cluster = labels.get(folder, NOISE)
    return HeldPicture(record, place, cluster, tuple(_sidecars(root, record, place)))


def _sidecars(root: str, record: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """Those that are where they were, or beside the picture's new place."""
    stem = len(os.path.splitext(path_of(record, "destination"))[0])
    for item in record.get("sidecars", ()):
        old = path_of(item, "destination")
        for name in (old, os.path.splitext(place)[0] + old[stem:]):
            if os.path.lexists(paths.resolve(root, name)):
                yield path_of(item, "source"), name
                break
