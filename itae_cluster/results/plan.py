"""A plan: which file goes where, in one document that `apply` carries out as it stands.

The schema is versioned; `docs/manifest.md` describes it and `schemas/plan.json` checks it.
Whatever a plan says is checked before anything follows it, because a plan is a file that anyone
may have written.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import path_of, path_record, skipped_record
from itae_cluster.core.errors import PlanError
from itae_cluster.core.files import is_unchanged
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.core.types import Facts, Placement, Skipped, Suggestion
from itae_cluster.results import manifest, paths
from itae_cluster.results.facts import facts_record, read_facts
from itae_cluster.results.filenames import fold_name
from itae_cluster.results.journal import FOLDER
from itae_cluster.results.placements import REJECTED_FOLDER
from itae_cluster.results.validation import check_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


__all__ = [
    "CONTACT_FOLDER",
    "GENERATED",
    "LEVELS_FILE",
    "MODEL_FILE",
    "RESERVED",
    "Entry",
    "Plan",
    "check_merges",
    "document",
    "placements_of",
    "read",
]

SCHEMA = "itae-cluster/plan"
SCHEMA_VERSION = 1

GENERATED = ("manifest.json", "clusters.csv", "preview.png", "preview.html")
"""What the tool writes into a result beside pictures."""
CONTACT_FOLDER = "contact"
"""Where contact sheets are, if they are made."""
RESERVED = frozenset({*GENERATED, CONTACT_FOLDER, FOLDER, REJECTED_FOLDER})
"""What no cluster's folder may be called."""
MODEL_FILE = f"{FOLDER}/model.npz"
"""Where a result keeps what later pictures are sorted by."""
LEVELS_FILE = f"{FOLDER}/levels.npz"
"""Where a result keeps finer and coarser clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file's way into the result, and what it was when that was planned.

    `path` is the source as the user gave it, `source` the same absolute; `destination` is relative
    to OUT, with `/`. `distance` may be NaN. `sidecar_of` is the destination of the picture that it
    follows, None where it is a picture itself.
    """

    path: str
    source: str
    destination: str
    cluster: int
    distance: float
    size: int
    mtime_ns: int
    sha256: str
    sidecar_of: str | None = None
    membership: float | None = None
    leaf: int | None = None
    facts: Facts = field(default_factory=Facts)

    def source_to_tell(self) -> str:
        """The source for the manifest: by the path given, where it leads there still."""
        return self.path if os.path.abspath(self.path) == self.source else self.source

    def is_unchanged(self) -> bool:
        """Whether the source still has the size and time of change it had."""
        return is_unchanged(self.source, self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do: bring `entries` into `out`. `metadata` is the head of the manifest.

    `suggested` are what clusters may be called, `merges` those of the leaves that pictures are in,
    as `core.types.Levels` has them; None where there are no levels.
    """

    out: str
    action: Action
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)
    merges: tuple[tuple[int, int], ...] | None = None


def placements_of(entries: Iterable[Entry]) -> tuple[Placement, ...]:
    """The pictures among `entries`, each with the sidecars that are there too."""
    followers: dict[str, list[tuple[str, str]]] = {}
    pictures: list[Entry] = []
    for entry in entries:
        if entry.sidecar_of is None:
            pictures.append(entry)
        else:
            pair = (entry.source_to_tell(), entry.destination)
            followers.setdefault(entry.sidecar_of, []).append(pair)
    return tuple(
        Placement(
            entry.source_to_tell(),
            entry.destination,
            entry.cluster,
            entry.distance,
            tuple(followers.get(entry.destination, ())),
            entry.membership,
            entry.leaf,
            entry.facts,
        )
        for entry in pictures
    )


def document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON can hold it."""
    kept = {key: value for key, value in plan.metadata.items() if not key.startswith("schema")}
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **kept,
        **path_record("out", plan.out),
        "action": str(plan.action),
        **({"clusters": _clusters(plan.suggested)} if plan.suggested else {}),
        **({} if plan.merges is None else {"merges": [list(pair) for pair in plan.merges]}),
        "files": [_record(entry) for entry in plan.entries],
        "skipped": [skipped_record(item) for item in plan.skipped],
    }


def _clusters(suggested: Mapping[int, Suggestion]) -> list[dict[str, Any]]:
    """What clusters may be called, as the manifest will have it."""
    records = manifest.suggestion_records(suggested)
    return [{"cluster": label, "suggested": each} for label, each in records.items()]


def _record(entry: Entry) -> dict[str, Any]:
    return {
        **path_record("path", entry.path),
        **path_record("source", entry.source),
        **path_record("destination", entry.destination),
        "cluster": entry.cluster,
        "distance": None if math.isnan(entry.distance) else round(entry.distance, 6),
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "sha256": entry.sha256,
        **({} if entry.membership is None else {"membership": round(entry.membership, 4)}),
        **({} if entry.leaf is None else {"leaf": entry.leaf}),
        **({} if entry.sidecar_of is None else path_record("sidecar_of", entry.sidecar_of)),
        **facts_record(entry.facts),
    }


_KEPT = ("tool", "created", "model", "options", "passed_over", "damaged")


def read(data: bytes) -> Plan:
    """A plan as `document` wrote it, checked: it fits together and stays inside OUT.

    Raises:
        PlanError: if it is no plan, or says something that is not to be followed.
    """
    try:
        record = json.loads(data)
        check_document(record, "plan")
        plan = Plan(
            out=_absolute(record, "out"),
            action=Action(record["action"]),
            entries=tuple(_read_entry(item) for item in record["files"]),
            skipped=tuple(
                Skipped(path_of(item, "path"), item["reason"]) for item in record["skipped"]
            ),
            metadata={key: record[key] for key in _KEPT if key in record},
            suggested=manifest.read_suggestions(
                {int(item["cluster"]): item["suggested"] for item in record.get("clusters", ())}
            ),
            merges=_read_merges(record),
        )
        _check(plan)
    except (ValueError, RecursionError) as error:
        raise _refusal(str(error)) from error
    return plan


def _read_entry(record: Mapping[str, Any]) -> Entry:
    distance = record["distance"]
    return Entry(
        path=path_of(record, "path"),
        source=_absolute(record, "source"),
        destination=path_of(record, "destination"),
        cluster=int(record["cluster"]),  # a schema takes 3.0 for a whole number
        distance=math.nan if distance is None else float(distance),
        size=int(record["size"]),
        mtime_ns=int(record["mtime_ns"]),
        sha256=record["sha256"],
        sidecar_of=path_of(record, "sidecar_of") if "sidecar_of" in record else None,
        membership=float(record["membership"]) if "membership" in record else None,
        leaf=int(record["leaf"]) if "leaf" in record else None,
        facts=read_facts(record),
    )


def _read_merges(record: Mapping[str, Any]) -> tuple[tuple[int, int], ...] | None:
    if "merges" not in record:
        return None
    merges = tuple((int(first), int(second)) for first, second in record["merges"])
    check_merges(merges)
    return merges


def check_merges(merges: Sequence[Sequence[int]]) -> None:
    """Raise `ValueError` where these are not the merges of one tree."""
    nodes = [node for pair in merges for node in pair]
    fit = all(0 <= node <= len(merges) + number // 2 for number, node in enumerate(nodes))
    if not fit or len(set(nodes)) < len(nodes):
        raise ValueError("the merges of its levels make no tree")


def _absolute(record: Mapping[str, Any], key: str) -> str:
    path = path_of(record, key)
    if not os.path.isabs(path):
        raise ValueError(f"{key} {printable(path)} is not absolute")
    return path


def _check(plan: Plan) -> None:
    sources = Counter(os.path.normpath(entry.source) for entry in plan.entries)
    for path, times in sources.items():
        if times > 1:
            raise ValueError(f"the source {printable(path)} repeats")
    names: set[str] = set()
    folders: set[str] = set()
    reserved = {fold_name(name) for name in GENERATED}
    for entry in plan.entries:
        name = fold_name(entry.destination)
        shown = f"the destination {printable(entry.destination)}"
        if not paths.is_inside(entry.destination):
            raise ValueError(f"{shown} leads out of OUT")
        if name in reserved or name.split("/")[0] in {FOLDER, CONTACT_FOLDER}:
            raise ValueError(f"{shown} is the name of a file that the tool makes")
        if name in names:
            raise ValueError(f"{shown} repeats")
        names.add(name)
        folders.update(_parents(name))
    pictures = {entry.destination for entry in plan.entries if entry.sidecar_of is None}
    leaves = 0 if plan.merges is None else len(plan.merges) + 1
    if not all(entry.leaf is None or entry.leaf < leaves for entry in plan.entries):
        raise ValueError("a file is in no leaf of its levels")
    if not all(entry.sidecar_of is None or entry.sidecar_of in pictures for entry in plan.entries):
        raise ValueError("a sidecar belongs to no picture of the plan")
    if names & folders or folders & reserved:
        raise ValueError("a destination is a file and a folder at once")


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _refusal(reason: str) -> PlanError:
    return PlanError(
        f"the plan cannot be used: {reason}; nothing was done; make it again with "
        "'itae-cluster plan'"
    )
