"""A result as it is to be: changes of its clusters, in memory, before any file moves.

Every change says which cluster a picture is in, or what a cluster is called. Where the files go
follows from that in the end, so a change that cannot be made leaves nothing half done.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import path_of, path_record
from itae_cluster.core.errors import ResultError, UsageError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE, REJECTED
from itae_cluster.results import centres, cluster_names
from itae_cluster.results.filenames import Namer, fold_name
from itae_cluster.results.inventory import digest_places
from itae_cluster.results.journal import Shift
from itae_cluster.results.placements import NOISE_FOLDER, REJECTED_FOLDER, folder_name
from itae_cluster.results.plan import MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from itae_cluster.results.centres import Centres
    from itae_cluster.results.inventory import HeldPicture, Inventory

__all__ = ["Draft"]


class Draft:
    """A result that is being changed.

    `records` are what the manifest is to say of each picture, in the order of `held.pictures`;
    their places follow with `shifts`. `folders` and `names` are those of clusters.

    Args:
        held: the result before.
    """

    def __init__(self, held: Inventory) -> None:
        self.held = held
        self.records: list[dict[str, Any]] = [item.as_record() for item in held.pictures]
        self.folders = dict(held.folders)
        self.names = dict(held.names)
        self.has_new_model = False
        # A picture is known by where the documents say it is, and by where a person put it.
        now = {item.destination: row for row, item in enumerate(held.pictures)}
        then = {path_of(item.record, "destination"): n for n, item in enumerate(held.pictures)}
        self._rows = now | then

    @functools.cached_property
    def model(self) -> Centres | None:
        """What later pictures are sorted by; None where the result has none."""
        path = os.path.join(self.held.root, MODEL_FILE)
        return centres.load(self.held.root) if os.path.lexists(path) else None

    def remodel(self, model: Centres) -> None:
        """Have later pictures sorted by something else."""
        self.model = model
        self.has_new_model = True

    def is_changed(self) -> bool:
        """Whether the documents will say anything else."""
        before = [item.as_record() for item in self.held.pictures]
        return self.records != before or self.names != self.held.names

    def is_of(self, digest: str) -> bool:
        """Whether a page with this digest shows the result as it is."""
        documents = (path_of(item.record, "destination") for item in self.held.pictures)
        places = (item.destination for item in self.held.pictures)
        return digest in {digest_places(documents), digest_places(places)}

    def has_new_folders(self) -> bool:
        """Whether a person has made a cluster of a folder since the documents were written."""
        known = {item.record["cluster"] for item in self.held.pictures}
        return any(item.cluster not in known for item in self.held.pictures)

    def has(self, place: str) -> bool:
        """Whether there is a picture at a place in the result."""
        return place in self._rows

    def row_of(self, place: str) -> int:
        """The picture at a place in the result.

        Raises:
            ResultError: if there is none.
        """
        row = self._rows.get(place)
        if row is None:
            raise ResultError(
                f"there is no picture {printable(place)} in the result; choose another"
            )
        return row

    def rows_of(self, places: Sequence[str]) -> list[int]:
        """The pictures at these places.

        Raises:
            ResultError: if there is none at one of them.
            UsageError: if one is named twice.
        """
        rows = [self.row_of(place) for place in places]
        for place, row in zip(places, rows, strict=True):
            if rows.count(row) > 1:
                raise UsageError(f"{printable(place)} is named twice; leave one out")
        return rows

    def members(self, label: int) -> list[int]:
        """The pictures of a cluster."""
        return [row for row, record in enumerate(self.records) if record["cluster"] == label]

    def label_of(self, name: str, number: int | None = None) -> int:
        """The cluster that is meant: by the folder it had before, by its own now, by its number.

        Raises:
            ResultError: if there is none.
        """
        before = {n: folder for n, folder in self.held.folders.items() if n in self.folders}
        label = cluster_names.find_label(before, name)
        label = cluster_names.find_label(self.folders, name) if label is None else label
        label = cluster_names.label_of(self.folders, name, number) if label is None else label
        if label == REJECTED:
            raise ResultError(f"{REJECTED_FOLDER} is no cluster; move its pictures to one first")
        return label

    def target(self, name: str) -> int:
        """The cluster of that name, a new one where there is none; or what stands for no cluster.

        Raises:
            UsageError: if it is no name that a folder can have everywhere.
            ResultError: if something else has that name.
        """
        for label, folder in ((NOISE, NOISE_FOLDER), (REJECTED, REJECTED_FOLDER)):
            if name == folder:
                return self._open(label)
        try:
            return self.label_of(name)
        except ResultError:
            label = self._free_label()
        self.folders[label] = self._check_free(label, "", name)
        self.names[label] = self.folders[label]
        return label

    def move(self, rows: Iterable[int], label: int) -> None:
        """Put pictures where a person wants them; `REJECTED` is where nobody wants them."""
        for row in rows:
            record = self.records[row]
            if record["cluster"] != label:
                record |= {"cluster": label, "distance": None, "membership": None}
            if label == REJECTED:
                record.pop("moved", None)
                record.pop("example", None)
            else:
                record["moved"] = True

    def reject(self, rows: Iterable[int]) -> None:
        """Put pictures where nobody wants them.

        Raises:
            ResultError: if that place is taken.
        """
        self.move(rows, self._open(REJECTED))

    def mark(self, rows: Iterable[int]) -> None:
        """Call pictures typical of their cluster.

        Raises:
            ResultError: if one is in none.
        """
        for row in rows:
            if self.records[row]["cluster"] < 0:
                place = self.held.pictures[row].destination
                raise ResultError(f"{printable(place)} is in no cluster; move it to one first")
            self.records[row]["example"] = True

    def rename(self, label: int, name: str, leaving: Collection[int] = ()) -> None:
        """Call a cluster by a name.

        Args:
            label: the cluster.
            name: of its folder.
            leaving: other clusters that will get another name, too; theirs may be taken.

        Raises:
            UsageError: if it is no name that a folder can have everywhere.
            ResultError: if it is taken.
        """
        folder = self._check_free(label, self.folders[label], name, leaving)
        self._close([n for n in self._emptied() if n != label and self.folders[n] == folder])
        self.folders[label] = folder
        self.names[label] = os.path.basename(folder)

    def merge(self, labels: Sequence[int], name: str | None = None) -> None:
        """Put clusters together; the first stays, with its number and folder.

        Raises:
            UsageError: if there are fewer than two, or the name is none.
            ResultError: if the name is taken.
        """
        into, others = labels[0], set(labels[1:])
        if into in others or len(others) < max(1, len(labels) - 1):
            raise UsageError("name two or more different clusters to put together")
        for record in self.records:
            if record["cluster"] in others:
                record["cluster"] = into  # its distance stays: its centre is the cluster's now
        if self.model is not None:
            self.remodel(self.model.merge(into, others))
        self._close(others)
        if name is not None:
            self.rename(into, name)

    def part(self, label: int, found: Mapping[int, tuple[int, float]], count: int) -> list[int]:
        """Take a cluster apart; part 0 stays, with number and folder, but for noise.

        Args:
            label: the cluster.
            found: part and distance of its pictures; those that are not there stay.
            count: how many parts there are.

        Returns:
            The number of the cluster of each part.
        """
        free = self._free_label()
        numbers = list(range(free, free + count))
        if label != NOISE:
            numbers = [label, *numbers[:-1]]
        self._name_parts(label, numbers)
        for row, (part, distance) in found.items():
            self.place(row, numbers[part], distance)
        return numbers

    def place(self, row: int, label: int, distance: float | None) -> None:
        """Put a picture where it belongs by its likeness, whatever a person said before."""
        rounded = None if distance is None else round(distance, 6)
        self.records[row] |= {"cluster": label, "distance": rounded, "membership": None}

    def regroup(self, groups: Mapping[int, int]) -> set[int]:
        """Make clusters of groups of pictures; a group is the cluster that most of it was in.

        A cluster keeps its number and folder with the group that holds most of it; where several
        claim one group, one that a person named goes first, then the largest. A picture that is in
        no group goes where most of its cluster goes.

        Args:
            groups: of pictures, by row.

        Returns:
            The numbers of clusters that lost or won a picture.
        """
        shares = Counter((self.records[row]["cluster"], g) for row, g in groups.items())
        best: dict[Any, tuple[int, int]] = {}  # of each cluster: how much of it, and which group
        for (label, group), size in sorted(shares.items()):
            best[label] = max(best.get(label, (0, 0)), (size, -group))
        heirs: dict[int, int] = {}
        claims = sorted(best.items(), key=lambda item: (item[0] not in self.names, -item[1][0]))
        for label, (_, group) in claims:
            heirs.setdefault(-group, label)
        for group in sorted({*groups.values()} - heirs.keys()):
            origin = max((size, -label) for (label, g), size in shares.items() if g == group)[1]
            heirs[group] = self._found_cluster(os.path.dirname(self.folders[-origin]))
        changed: set[int] = set()
        for row, record in enumerate(self.records):
            old = record["cluster"]
            if row not in groups and old not in best:
                continue
            new = heirs[groups[row] if row in groups else -best[old][1]]
            if new != old:
                changed |= {old, new}
                self.place(row, new, None)
        self._close(best.keys() - heirs.values())
        return changed

    def shifts(self) -> tuple[Shift, ...]:
        """What goes where: folders first, then files. The records tell the new places from then on.

        Names are free in the result as it is and as it is to be, so no file is in another's way.
        """
        before = self.held.folders
        # A folder that was or will be another cluster's stays, and pictures go one by one: which
        # steps were done is read off the names that are there.
        taken, wanted = set(before.values()), set(self.folders.values())
        renamed = {
            before[label]: folder
            for label, folder in self.folders.items()
            if before.get(label, folder) != folder
            if folder not in taken and before[label] not in wanted
        }
        shifts = [Shift(*pair) for pair in renamed.items()]
        now = {new: old for old, new in renamed.items()}
        namers: dict[str, Namer] = {}
        for held, record in zip(self.held.pictures, self.records, strict=True):
            item, label = _follow_folders(held, renamed), int(record["cluster"])
            folder = self.folders.get(label, os.path.dirname(item.destination))
            stays = label == held.cluster and before.get(label, folder) in {folder, now.get(folder)}
            if not stays and os.path.dirname(item.destination) != folder:
                if folder not in namers:
                    namers[folder] = Namer(self._names_in(now.get(folder, folder)))
                item, steps = _move_picture(item, folder, namers[folder])
                shifts += steps
            _tell_places(record, item)
        return tuple(shifts)

    def _names_in(self, folder: str) -> list[str]:
        path = os.path.join(self.held.root, folder)
        return os.listdir(path) if os.path.isdir(path) else []

    def _open(self, label: int) -> int:
        """`label`, which is none of a cluster, with its folder."""
        if label not in self.folders:
            folder = folder_name(label, 0)
            path = os.path.join(self.held.root, folder)
            others = {fold_name(other) for other in self.folders.values()}
            if fold_name(folder) in others or (os.path.lexists(path) and not os.path.isdir(path)):
                raise ResultError(f"{folder} is there already; give that another name first")
            self.folders[label] = folder
        return label

    def _close(self, labels: Collection[int]) -> None:
        """Clusters that are no more."""
        for label in labels:
            self.folders.pop(label, None)
            self.names.pop(label, None)

    def _emptied(self) -> set[int]:
        """Clusters that changes have left without a picture, so that another may have the name."""
        return self.folders.keys() - {record["cluster"] for record in self.records}

    def _free_label(self) -> int:
        return max(self.held.free_label(), *(label + 1 for label in self.folders), 0)

    def _check_free(self, label: int, folder: str, name: str, leaving: Collection[int] = ()) -> str:
        leaving = {*leaving, *self._emptied()}
        gone = {
            old
            for n, old in self.held.folders.items()
            if n in leaving or self.folders.get(n) != old
        }
        own = self.held.folders.get(label)
        others = [other for n, other in self.folders.items() if n != label and n not in leaving]
        beside = os.path.dirname(folder)
        return cluster_names.check_free(
            self.held.root, beside, name, others=others, own=own, gone=gone
        )

    def _name_parts(self, label: int, numbers: Sequence[int]) -> None:
        """Folders `Beach`, `Beach-2`, …; those of noise are all new."""
        folder, named = self.folders[label], label in self.names
        taken = {fold_name(name) for name in self._names_in(os.path.dirname(folder))}
        taken |= {fold_name(os.path.basename(other)) for other in self.folders.values()}
        suffix = 1 if label == NOISE else 2
        for number in numbers:
            while number not in self.folders:
                name = f"{folder}-{suffix}"
                suffix += 1
                if fold_name(os.path.basename(name)) not in taken:
                    self.folders[number] = name
            if named:
                self.names[number] = os.path.basename(self.folders[number])

    def _found_cluster(self, beside: str) -> int:
        """A new cluster, with a folder after its number."""
        label = self._free_label()
        taken = {fold_name(other) for other in self.folders.values()}
        taken |= {fold_name(os.path.join(beside, name)) for name in self._names_in(beside)}
        while fold_name(place := os.path.join(beside, folder_name(label, 0))) in taken:
            label += 1
        self.folders[label] = place
        return label


def _follow_folders(item: HeldPicture, folders: Mapping[str, str]) -> HeldPicture:
    """A picture whose folder, or one above it, has another name now."""

    def place(name: str) -> str:
        for old, new in folders.items():
            if name.startswith(f"{old}/"):
                return new + name[len(old) :]
        return name

    followers = tuple((source, place(name)) for source, name in item.sidecars)
    return replace(item, destination=place(item.destination), sidecars=followers)


def _move_picture(item: HeldPicture, folder: str, namer: Namer) -> tuple[HeldPicture, list[Shift]]:
    """A picture and its sidecars in another folder, under names that are free there."""
    old = os.path.splitext(item.destination)[0]
    tails = [place[len(old) :] for _, place in item.sidecars]
    name = namer.unique(os.path.basename(item.destination), tails)
    destination = f"{folder}/{name}"
    new = os.path.splitext(destination)[0]
    followers = tuple(
        (source, new + tail) for (source, _), tail in zip(item.sidecars, tails, strict=True)
    )
    steps = [Shift(item.destination, destination)]
    steps += [
        Shift(before, after)
        for (_, before), (_, after) in zip(item.sidecars, followers, strict=True)
    ]
    return replace(item, destination=destination, sidecars=followers), steps


def _tell_places(record: dict[str, Any], item: HeldPicture) -> None:
    record.pop("destination_base64", None)
    record |= path_record("destination", item.destination)
    if item.sidecars:
        record["sidecars"] = [
            {**path_record("source", source), **path_record("destination", place)}
            for source, place in item.sidecars
        ]
