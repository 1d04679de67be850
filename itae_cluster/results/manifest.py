"""What a run says of itself: one document for OUT/manifest.json, `--format` and vector files.

The schema is versioned; `docs/manifest.md` describes it and `schemas/manifest.json` checks it.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import path_of, path_record, run_metadata, skipped_record
from itae_cluster.core.types import Suggestion
from itae_cluster.results.facts import facts_record
from itae_cluster.results.placements import is_unnamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from itae_cluster.core.types import Placement, Skipped

__all__ = [
    "SCHEMA",
    "SCHEMA_VERSION",
    "clusters",
    "document",
    "head",
    "most_common_folders",
    "read_suggestions",
    "suggested_names",
    "suggestion_records",
    "to_csv",
    "to_record",
    "write_csv",
]

SCHEMA = "itae-cluster/manifest"
SCHEMA_VERSION = 1


def head(
    model: Mapping[str, Any],
    options: Mapping[str, Any],
    passed_over: Mapping[str, int] | None = None,
    damaged: Sequence[Skipped] = (),
) -> dict[str, Any]:
    """The head of a manifest, and of what is made on the way to one.

    Args:
        model: what the encoder says of itself.
        options: what was asked for.
        passed_over: files that are no pictures, by their kind; None where nothing was scanned.
        damaged: pictures that are in the result, as far as they could be read.
    """
    made = run_metadata(SCHEMA, SCHEMA_VERSION, model, options)
    if passed_over is not None:
        made["passed_over"] = dict(passed_over)
    if damaged:
        made["damaged"] = [skipped_record(item) for item in damaged]
    return made


def document(
    metadata: Mapping[str, Any],
    placements: Sequence[Placement],
    skipped: Sequence[Skipped],
    *,
    placed: bool,
    contents: Mapping[str, tuple[int, str]] | None = None,
    suggested: Mapping[int, Suggestion] | None = None,
) -> dict[str, Any]:
    """The whole manifest: metadata, clusters by size, one record a picture, what was skipped.

    Args:
        metadata: its head, as `head` makes it.
        placements: the pictures.
        skipped: what was passed over.
        placed: whether the destinations exist.
        contents: size and SHA-256 by destination, as far as they are known.
        suggested: what clusters may be called.
    """
    labels = [item.cluster for item in placements]
    folders = most_common_folders(placements) if placed else {}
    return {
        **metadata,
        "clusters": clusters(labels, folders, suggested=suggestion_records(suggested or {})),
        "pictures": [
            {**to_record(item, placed=placed), **_content((contents or {}).get(item.destination))}
            for item in placements
        ],
        "skipped": [skipped_record(item) for item in skipped],
    }


def clusters(
    labels: Iterable[int],
    folders: Mapping[int, str],
    names: Mapping[int, str] | None = None,
    suggested: Mapping[int, Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """One record a cluster: size, folder in OUT, a person's name for it, and what may be one."""
    sizes = Counter(labels)
    return [
        {
            "cluster": label,
            "size": sizes[label],
            **(path_record("folder", folders[label]) if folders.get(label) else {}),
            **({"name": names[label]} if names and label in names else {}),
            **({"suggested": suggested[label]} if suggested and label in suggested else {}),
        }
        for label in sorted(sizes)
    ]


def suggestion_records(suggested: Mapping[int, Suggestion]) -> dict[int, dict[str, Any]]:
    """What clusters may be called, by cluster, as the manifest has it."""
    return {
        label: {
            "name": each.name,
            "tags": list(each.tags),
            "confidence": each.confidence,
            "wordnet": each.offset,
        }
        for label, each in suggested.items()
    }


def most_common_folders(placements: Sequence[Placement]) -> dict[int, str]:
    """The folder of each cluster, that of most of its pictures where a plan was edited."""
    found: dict[int, Counter[str]] = {}
    for item in placements:
        folder = os.path.dirname(item.destination)
        found.setdefault(item.cluster, Counter())[folder] += 1
    return {label: counts.most_common(1)[0][0] for label, counts in found.items()}


def _content(known: tuple[int, str] | None) -> dict[str, Any]:
    return {} if known is None else {"size": known[0], "sha256": known[1]}


def to_record(item: Placement, *, placed: bool) -> dict[str, Any]:
    """One picture. `destination` is relative to OUT and null where nothing was written."""
    return {
        **path_record("path", item.source),
        **path_record("source", os.path.abspath(item.source)),
        **(path_record("destination", item.destination) if placed else {"destination": None}),
        "cluster": item.cluster,
        "distance": None if math.isnan(item.distance) else round(item.distance, 6),
        "membership": None if item.membership is None else round(item.membership, 4),
        **({} if item.leaf is None else {"leaf": item.leaf}),
        **facts_record(item.facts),
        **({"sidecars": _sidecars(item, placed=placed)} if item.sidecars else {}),
    }


def _sidecars(item: Placement, *, placed: bool) -> list[dict[str, Any]]:
    return [
        {
            **path_record("source", os.path.abspath(source)),
            **(path_record("destination", destination) if placed else {"destination": None}),
        }
        for source, destination in item.sidecars
    ]


def read_suggestions(records: Mapping[int, Mapping[str, Any]]) -> dict[int, Suggestion]:
    """The inverse of `suggestion_records`."""
    return {
        label: Suggestion(
            each["name"], tuple(each["tags"]), float(each["confidence"]), each.get("wordnet")
        )
        for label, each in records.items()
    }


def write_csv(
    placements: Sequence[Placement], path: str, suggested: Mapping[int, Suggestion]
) -> None:
    """`clusters.csv` in a new file."""
    words = suggested_names(suggestion_records(suggested))
    records = (to_record(item, placed=True) for item in placements)
    with open(path, "xb") as file:
        file.write(to_csv(records, most_common_folders(placements), words))


def suggested_names(records: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
    """The names among the suggestions, by cluster."""
    return {label: str(each["name"]) for label, each in records.items() if each.get("name")}


def to_csv(
    records: Iterable[Mapping[str, Any]],
    folders: Mapping[int, str],
    suggested: Mapping[int, str] | None = None,
) -> bytes:
    """`clusters.csv`: source, destination, cluster, distance, and the cluster's name.

    Names keep their bytes. The file begins with a byte order mark, without which spreadsheets take
    UTF-8 for another encoding.

    Args:
        records: of the pictures, as the manifest has them.
        folders: of each cluster; the last part of its path is the cluster's name.
        suggested: names for clusters whose folder nobody has named.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["source", "destination", "cluster", "distance", "name"])
    for record in records:
        distance = "" if record["distance"] is None else f"{record['distance']:.6f}"
        paths = (path_of(record, "source"), path_of(record, "destination"))
        name = os.path.basename(folders.get(record["cluster"], ""))
        if is_unnamed(name):
            name = (suggested or {}).get(record["cluster"], name)
        rows.writerow([*paths, record["cluster"], distance, name])
    return codecs.BOM_UTF8 + text.getvalue().encode("utf-8", "surrogateescape")
