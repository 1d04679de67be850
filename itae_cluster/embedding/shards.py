"""A folder of embeddings in parts, for more pictures than one machine's memory holds.

    DIR/part-00000.parquet   path, path_bytes, embedding (fixed-size list), skipped, damaged
    DIR/part-00001.parquet   …
    DIR/manifest.json        written last: the model, the options, and how many rows each part has

A part belongs to so many files in a row of the sorted list, and says in its own metadata which
encoder made it and of which files: their paths, sizes and times of change. By that a run that is
started again knows which parts it may keep. A file that was skipped has a row without a vector.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import InputError, OutputError
from itae_cluster.core.places import open_place, pyarrow
from itae_cluster.core.text import is_text, printable
from itae_cluster.embedding.vector_cache import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.places import Place

__all__ = [
    "MANIFEST",
    "LabelRows",
    "Reasons",
    "ShardFolder",
    "check_target",
    "content_digest",
    "open_shards",
    "read_reasons",
    "remove_manifest",
    "shard_name",
    "write_labels",
    "write_labels_manifest",
    "write_manifest",
    "write_shard",
]

MANIFEST = "manifest.json"
_SCHEMA = "itae-cluster/shards"
_LABELS_SCHEMA = "itae-cluster/labels"
_SCHEMA_VERSION = 1
_KEY = b"itae-cluster"
_NAME = re.compile(r"part-\d{5,}\.parquet")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def shard_name(number: int) -> str:
    """`part-00042.parquet`."""
    return f"part-{number:05d}.parquet"


def content_digest(
    files: Iterable[tuple[str, int, int]], model: Mapping[str, Any], max_pixels: int
) -> str:
    """SHA-256 of all that shapes a part, in hexadecimal.

    Args:
        files: path, size in bytes and time of change in nanoseconds of each.
        model: what the encoder says of itself.
        max_pixels: pictures of more are skipped.
    """
    made_by = {**(fingerprint(model) or dict(model)), "max_pixels": max_pixels}
    found = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode())
    for path, size, changed in files:
        found.update(b"%d %d %s\0" % (size, changed, os.fsencode(path)))
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Reasons:
    """What became of the files of a part: why each was `skipped`, or is `damaged`; mostly None."""

    paths: tuple[str, ...]
    skipped: tuple[str | None, ...]
    damaged: tuple[str | None, ...]


def write_shard(
    place: Place,
    number: int,
    files: Reasons,
    vectors: NDArray[np.float32],
    head: Mapping[str, Any],
) -> None:
    """The part, whole or not at all.

    Args:
        place: the folder.
        number: of the part.
        files: the n files of the part.
        vectors: (m, D) of those that were not skipped.
        head: what it says of itself; its `content` is what `content_digest` gives.

    Raises:
        OSError: if it cannot be written.
    """
    arrow = pyarrow()
    gone = np.array([reason is not None for reason in files.skipped], dtype=np.bool_)
    rows = np.zeros((len(gone), vectors.shape[1]), dtype=vectors.dtype)
    rows[~gone] = vectors
    table = arrow.table(
        {
            **_path_columns(files.paths),
            "embedding": arrow.FixedSizeListArray.from_arrays(
                arrow.array(rows.ravel()), rows.shape[1], mask=arrow.array(gone)
            ),
            "skipped": arrow.array(files.skipped, arrow.string()),
            "damaged": arrow.array(files.damaged, arrow.string()),
        }
    ).replace_schema_metadata({_KEY: to_json(dict(head))})
    place.write(shard_name(number), _to_parquet(table))


def _path_columns(paths: Sequence[str]) -> dict[str, Any]:
    """As vector files have them: readable, and as the bytes that they are."""
    arrow = pyarrow()
    return {
        "path": arrow.array([each if is_text(each) else printable(each) for each in paths]),
        "path_bytes": arrow.array([os.fsencode(each) for each in paths], arrow.binary()),
    }


def _to_parquet(table: Any) -> bytes:
    arrow = pyarrow()
    sink = arrow.BufferOutputStream()
    # Embeddings are noise to a compressor; all other columns repeat themselves.
    packed = {
        name if not arrow.types.is_nested(table.schema.field(name).type) else f"{name}.list.element"
        for name in table.column_names
    }
    codecs = {name: "none" if name.startswith("embedding") else "zstd" for name in packed}
    texts = [name for name in ("skipped", "damaged") if name in table.column_names]
    arrow.parquet.write_table(
        table, sink, compression=codecs, use_dictionary=texts, write_statistics=False
    )
    return bytes(sink.getvalue())


def read_reasons(place: Place, number: int, content: str) -> Reasons | None:
    """What became of the files of a part; None where it is missing, damaged, or of other content.

    Its vectors are not read.
    """
    arrow = pyarrow()
    path = place.path(shard_name(number))
    try:
        schema = arrow.parquet.read_schema(path, filesystem=place.files)
        if json.loads(schema.metadata[_KEY])["content"] != content:
            return None
        table = arrow.parquet.read_table(
            path, columns=["path_bytes", "skipped", "damaged"], filesystem=place.files
        )
    except _UNREADABLE:
        return None
    paths = tuple(os.fsdecode(raw) for raw in table["path_bytes"].to_pylist())
    skipped, damaged = table["skipped"].to_pylist(), table["damaged"].to_pylist()
    return Reasons(paths, tuple(skipped), tuple(damaged))


def write_manifest(place: Place, head: Mapping[str, Any], sizes: Sequence[tuple[int, int]]) -> None:
    """Close the folder: parts of an earlier run beyond the last one go, then the manifest comes.

    Args:
        place: the folder.
        head: of the run, as `manifest.head` makes it.
        sizes: of each part how many rows have a vector, and how many were skipped.

    Raises:
        OSError: if it cannot be written.
    """
    ours = {shard_name(number) for number in range(len(sizes))}
    for name in place.names():
        if _NAME.fullmatch(name) and name not in ours:
            place.delete(name)
    parts = [
        {"file": shard_name(number), "vectors": vectors, "skipped": skipped}
        for number, (vectors, skipped) in enumerate(sizes)
    ]
    document = {**head, "schema": _SCHEMA, "schema_version": _SCHEMA_VERSION, "parts": parts}
    place.write(MANIFEST, to_json(document, indent=1).encode("ascii") + b"\n")


def remove_manifest(place: Place) -> None:
    """Say that the folder is unfinished.

    Raises:
        OSError: if that cannot be done.
    """
    if MANIFEST in place.names():
        place.delete(MANIFEST)


def check_target(place: Place) -> None:
    """Raise before any work where the folder holds something else than parts of ours.

    Raises:
        OutputError: if it does, or cannot be written to.
    """
    try:
        strange = [
            name
            for name in place.names()
            if name != MANIFEST and not _NAME.fullmatch(name) and not name.startswith(".")
        ]
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{printable(place.name)} is no folder that can be read ({reason}); name a new one"
        ) from error
    if strange:
        raise OutputError(
            f"{printable(place.name)} holds other files ({printable(strange[0])}); name a new "
            "folder, or one that 'embed --ray' has begun"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFolder:
    """A finished folder: the model, and of each part its name and how many vectors it has."""

    place: Place
    model: Mapping[str, Any]
    parts: tuple[tuple[str, int], ...]

    @property
    def n(self) -> int:
        """How many vectors there are."""
        return sum(count for _, count in self.parts)

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return int(self.model["dim"])

    @property
    def size(self) -> int:
        """Bytes that all vectors take in memory."""
        return self.n * self.dim * np.dtype(np.float32).itemsize

    @property
    def starts(self) -> NDArray[np.int64]:
        """The number of each part's first vector, and n at the end."""
        counts = np.array([0, *(count for _, count in self.parts)], dtype=np.int64)
        return np.cumsum(counts)

    def vectors(self, number: int) -> NDArray[np.float32]:
        """The vectors of a part: (m, D), rows of length 1.

        Raises:
            InputError: if the part is missing or damaged.
        """
        column = self._table(number, ["embedding"])["embedding"].combine_chunks()
        name, count = self.parts[number]
        rows = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.dim)
        lengths = np.linalg.norm(rows.astype(np.float32, copy=False), axis=1, keepdims=True)
        if len(rows) != count or not np.isfinite(lengths).all() or not lengths.all():
            raise InputError(_damaged(f"{self.place.name}/{name}", "its rows are not as it says"))
        return np.ascontiguousarray(rows / lengths, dtype=np.float32)

    def paths(self, number: int) -> list[str]:
        """The pictures of a part that have a vector.

        Raises:
            InputError: if the part is missing or damaged.
        """
        table = self._table(number, ["path_bytes", "skipped"])
        kept = table.filter(table["skipped"].is_null())["path_bytes"]
        return [os.fsdecode(raw) for raw in kept.to_pylist()]

    def _table(self, number: int, columns: list[str]) -> Any:
        name, _ = self.parts[number]
        try:
            return pyarrow().parquet.read_table(
                self.place.path(name), columns=columns, filesystem=self.place.files
            )
        except _UNREADABLE as error:
            raise InputError(_damaged(f"{self.place.name}/{name}", str(error))) from error


def _damaged(path: str, reason: str) -> str:
    return (
        f"{printable(path)} cannot be read ({' '.join(reason.split())}); remove it and run "
        "'itae-cluster embed --ray' again, which makes what is missing"
    )


def open_shards(name: str) -> ShardFolder:
    """A folder that `embed --ray` has finished.

    Raises:
        InputError: if it is none, or not finished.
    """
    place = open_place(name)
    try:
        document = json.loads(place.read(MANIFEST))
        if document["schema"] != _SCHEMA:
            raise ValueError(f"it says {document['schema']}")
        if document["schema_version"] > _SCHEMA_VERSION:
            raise ValueError("a newer version of this tool wrote it; upgrade")
        parts = tuple((str(each["file"]), int(each["vectors"])) for each in document["parts"])
        if not all(_NAME.fullmatch(file) for file, _ in parts):
            raise ValueError("it names other files")
        folder = ShardFolder(place=place, model=document["model"], parts=parts)
        if not folder.n or folder.dim < 1:
            raise ValueError("no vectors in it")
    except FileNotFoundError as error:
        raise InputError(
            f"{printable(name)} has no {MANIFEST}, so it is unfinished or something else; run the "
            "same 'itae-cluster embed --ray' again, which goes on where it stopped"
        ) from error
    except _UNREADABLE as error:
        raise InputError(
            f"{printable(name)} holds no embeddings that can be read ({error}); make it with "
            "'itae-cluster embed --ray'"
        ) from error
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRows:
    """The m pictures of a part: `labels` (m,) int32 and `distances` (m,) float32.

    `duplicates` (m,) is what `ShardClusters` says; None where they were not looked for.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    distances: NDArray[np.float32]
    duplicates: NDArray[np.int64] | None = None


def write_labels(place: Place, name: str, rows: LabelRows) -> None:
    """The labels of a part, under its name.

    Raises:
        OSError: if they cannot be written.
    """
    arrow = pyarrow()
    columns = {
        **_path_columns(rows.paths),
        "cluster": arrow.array(rows.labels),
        "distance": arrow.array(rows.distances),
    }
    if rows.duplicates is not None:
        columns["near_duplicate_of"] = arrow.array(rows.duplicates, mask=rows.duplicates < 0)
    place.write(name, _to_parquet(arrow.table(columns)))


def write_labels_manifest(place: Place, head: Mapping[str, Any]) -> None:
    """Close a folder of labels.

    Raises:
        OSError: if it cannot be written.
    """
    document = {**head, "schema": _LABELS_SCHEMA, "schema_version": _SCHEMA_VERSION}
    place.write(MANIFEST, to_json(document, indent=1).encode("ascii") + b"\n")
