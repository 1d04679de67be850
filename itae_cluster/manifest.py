"""What a run says of itself: one document for OUT/manifest.json, `--format` and vector files.

The schema is versioned; `docs/manifest.md` describes it and `docs/manifest.schema.json` checks it.
JSON is plain ASCII. A name that is not valid UTF-8 keeps its bytes as surrogate escapes (which
Python and JavaScript read back) and comes a second time as base64 of its raw bytes.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from itae_cluster import __version__
from itae_cluster.names import is_text, to_base64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from itae_cluster.types import Placement, Skipped

__all__ = [
    "SCHEMA",
    "SCHEMA_VERSION",
    "clusters",
    "document",
    "named",
    "path_of",
    "run_metadata",
    "skipped_record",
    "to_csv",
    "to_json",
    "to_record",
    "write_csv",
    "write_json",
]

SCHEMA = "itae-cluster/manifest"
SCHEMA_VERSION = 1


def run_metadata(
    model: Mapping[str, Any], options: Mapping[str, Any], *, schema: str = SCHEMA
) -> dict[str, Any]:
    """The part that all documents share: schema, tool, time, model, options."""
    return {
        "schema": schema,
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "itae-cluster", "version": __version__},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": dict(model),
        "options": dict(options),
    }


def document(
    metadata: Mapping[str, Any],
    placements: Sequence[Placement],
    skipped: Sequence[Skipped],
    *,
    placed: bool,
    contents: Mapping[str, tuple[int, str]] | None = None,
) -> dict[str, Any]:
    """The whole manifest: metadata, clusters by size, one record a picture, what was skipped.

    Args:
        metadata: its head, as `run_metadata` makes it.
        placements: the pictures.
        skipped: what was passed over.
        placed: whether the destinations exist.
        contents: size and SHA-256 by destination, as far as they are known.
    """
    labels = [item.cluster for item in placements]
    folders = _folders(placements) if placed else {}
    return {
        **metadata,
        "clusters": clusters(labels, folders),
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
) -> list[dict[str, Any]]:
    """One record a cluster: size, its folder in OUT, and the name that a person gave it."""
    sizes = Counter(labels)
    return [
        {
            "cluster": label,
            "size": sizes[label],
            **(named("folder", folders[label]) if folders.get(label) else {}),
            **({"name": names[label]} if names and label in names else {}),
        }
        for label in sorted(sizes)
    ]


def _folders(placements: Sequence[Placement]) -> dict[int, str]:
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
        **named("path", item.source),
        **named("source", os.path.abspath(item.source)),
        **(named("destination", item.destination) if placed else {"destination": None}),
        "cluster": item.cluster,
        "distance": None if math.isnan(item.distance) else round(item.distance, 6),
        "membership": None if item.membership is None else round(item.membership, 4),
        **({"sidecars": _sidecars(item, placed=placed)} if item.sidecars else {}),
    }


def _sidecars(item: Placement, *, placed: bool) -> list[dict[str, Any]]:
    return [
        {
            **named("source", os.path.abspath(source)),
            **(named("destination", destination) if placed else {"destination": None}),
        }
        for source, destination in item.sidecars
    ]


def skipped_record(item: Skipped) -> dict[str, str]:
    """One input that was passed over."""
    reason = item.reason.encode("utf-8", "replace").decode()
    return {**named("path", item.path), "reason": reason}


def named(key: str, path: str) -> dict[str, str]:
    """A path under `key`, and its bytes as `<key>_base64` where it is not valid UTF-8."""
    return {key: path} if is_text(path) else {key: path, f"{key}_base64": to_base64(path)}


def path_of(record: Mapping[str, Any], key: str) -> str:
    """What `named` wrote; the bytes win, because not every program keeps surrogate escapes.

    Raises:
        ValueError: if there is no path that a file system could hold.
    """
    raw = record.get(f"{key}_base64")
    path = record.get(key) if raw is None else os.fsdecode(base64.b64decode(raw, validate=True))
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"no {key}")
    os.fsencode(path)
    return path


def to_json(value: Any, *, indent: int | None = None) -> str:
    """ASCII JSON without NaN."""
    return json.dumps(value, indent=indent, ensure_ascii=True, allow_nan=False)


def write_json(value: Any, path: str) -> None:
    """`value` as indented JSON in a new file."""
    with open(path, "x", encoding="ascii") as file:
        file.write(to_json(value, indent=2) + "\n")


def write_csv(placements: Sequence[Placement], path: str) -> None:
    """`clusters.csv` in a new file."""
    with open(path, "xb") as file:
        file.write(to_csv(to_record(item, placed=True) for item in placements))


def to_csv(records: Iterable[Mapping[str, Any]]) -> bytes:
    """`clusters.csv`: source, destination, cluster, distance; names keep their bytes."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["source", "destination", "cluster", "distance"])
    for record in records:
        distance = "" if record["distance"] is None else f"{record['distance']:.6f}"
        names = (path_of(record, "source"), path_of(record, "destination"))
        rows.writerow([*names, record["cluster"], distance])
    return text.getvalue().encode("utf-8", "surrogateescape")
