"""What the cache's tables are asked and told, each a function of the connection."""

from __future__ import annotations

import json
import os
import time
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.batches import slices
from itae_cluster.core.files import is_unchanged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.files import FileDigest

__all__ = [
    "QUERY_ROWS",
    "fill_vectors",
    "find_coordinates",
    "find_digests",
    "find_note",
    "find_thumbnails",
    "number_recipe",
    "store_coordinates",
    "store_digests",
    "store_note",
    "store_thumbnails",
    "store_vectors",
    "to_key",
    "today",
]

QUERY_ROWS = 500
"""Values a query: SQLite takes no more than 999 in old builds."""

_COARSEST_CLOCK = 2_000_000_000  # ns, of the time stamps of a common file system (FAT)


def today() -> int:
    """Days since 1970: fine enough for a cache, and a second run on one day writes nothing."""
    return int(time.time()) // 86_400


def to_key(fields: Mapping[str, Any]) -> str:
    """Equal texts for equal fields, whatever their order."""
    return json.dumps(fields, sort_keys=True)


def find_digests(db: sqlite3.Connection, paths: Sequence[str]) -> list[bytes | None]:
    """Digests of the files that have the size and time they had when they were read."""
    found: list[bytes | None] = []
    for part in slices(len(paths), QUERY_ROWS):
        names = [os.fsencode(os.path.abspath(path)) for path in paths[part]]
        sql = f"SELECT path, size, mtime_ns, content FROM files WHERE path IN ({_marks(names)})"
        known = {
            name: (size, time_, digest) for name, size, time_, digest in db.execute(sql, names)
        }
        for path, name in zip(paths[part], names, strict=True):
            size, mtime_ns, digest = known.get(name, (0, 0, None))
            holds = digest is not None and is_unchanged(path, size, mtime_ns)
            found.append(digest if holds else None)
    return found


def store_digests(db: sqlite3.Connection, read: Sequence[FileDigest]) -> None:
    """Keep the digests of files, but of such as may still change within their time stamp."""
    now = time.time_ns()
    rows = [
        (os.fsencode(item.path), item.size, item.mtime_ns, item.digest)
        for item in read
        if now - item.mtime_ns > _COARSEST_CLOCK
    ]
    if rows:
        with db:
            db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)


def number_recipe(db: sqlite3.Connection, fingerprint: Mapping[str, Any]) -> int:
    """The number of a recipe, given where it has none."""
    key = (to_key(fingerprint),)
    with db:
        db.execute("INSERT OR IGNORE INTO recipes (fingerprint) VALUES (?)", key)
    return int(db.execute("SELECT id FROM recipes WHERE fingerprint = ?", key).fetchone()[0])


def fill_vectors(
    db: sqlite3.Connection,
    recipe: int,
    digests: Sequence[bytes | None],
    out: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Put the vectors of these contents into their rows of `out` (n, D); which: (n,)."""
    found = np.zeros(len(digests), dtype=np.bool_)
    for part in slices(len(digests), QUERY_ROWS):
        rows: dict[bytes, list[int]] = {}  # several files may have one content
        for row, digest in enumerate(digests[part], part.start):
            if digest is not None:
                rows.setdefault(digest, []).append(row)
        for content, vector in _read_vectors(db, recipe, list(rows), out.shape[1]):
            out[rows[content]] = vector
            found[rows[content]] = True
    return found


def _read_vectors(
    db: sqlite3.Connection, recipe: int, digests: Sequence[bytes], dim: int
) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    """The vectors of these contents that are whole; that they were used today is noted."""
    marks, values = _marks(digests), (recipe, *digests)
    stale = f"UPDATE entries SET day = {today()} WHERE recipe = ? AND content IN ({marks})"
    with db:
        db.execute(f"{stale} AND day < {today()}", values)
    for content, raw, crc in db.execute(
        "SELECT content, vector, crc32 FROM entries JOIN vectors USING (id)"
        f" WHERE recipe = ? AND content IN ({marks})",
        values,
    ):
        if len(raw) == 4 * dim and zlib.crc32(raw) == crc:
            yield content, np.frombuffer(raw, dtype="<f4")


def store_vectors(
    db: sqlite3.Connection, recipe: int, digests: Sequence[bytes], vectors: NDArray[np.float32]
) -> None:
    """Keep vectors, (n, D) float32, all of them or none."""
    with db:
        for digest, vector in zip(digests, vectors, strict=True):
            raw = vector.astype("<f4").tobytes()
            number = db.execute(
                "INSERT INTO entries (recipe, content, day) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET day = excluded.day RETURNING id",
                (recipe, digest, today()),
            ).fetchone()[0]
            row = (number, raw, zlib.crc32(raw))
            db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", row)


def find_thumbnails(db: sqlite3.Connection, paths: Sequence[str], version: int) -> dict[str, bytes]:
    """JPEGs of the files, by path, as far as they are known and the files unchanged."""
    found: dict[str, bytes] = {}
    sql = "SELECT jpeg FROM thumbnails WHERE content = ?"
    for path, digest in zip(paths, find_digests(db, paths), strict=True):
        row = digest and db.execute(sql, (_thumbnail_key(digest, version),)).fetchone()
        if row:
            found[path] = row[0]
    return found


def store_thumbnails(db: sqlite3.Connection, jpegs: Mapping[str, bytes], version: int) -> None:
    """Keep JPEGs by path, of files whose content is known."""
    known = zip(jpegs.values(), find_digests(db, list(jpegs)), strict=True)
    rows = [
        (_thumbnail_key(digest, version), jpeg, today())
        for jpeg, digest in known
        if digest is not None
    ]
    with db:
        db.executemany("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", rows)


def _thumbnail_key(digest: bytes, version: int) -> bytes:
    """A content and a version: thumbnails of version 0.1.0 lie under the content alone."""
    return digest + version.to_bytes(2, "big")


def find_coordinates(db: sqlite3.Connection, key: str, dim: int) -> NDArray[np.float32] | None:
    """The map or reduction (n, dim) kept under `key`, None where there is none."""
    row = db.execute("SELECT coordinates FROM maps WHERE key = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], dtype="<f4").reshape(-1, dim)


def store_coordinates(db: sqlite3.Connection, key: str, coordinates: NDArray[np.float32]) -> None:
    """Keep a map or another reduction, (n, any)."""
    row = (key, coordinates.astype("<f4").tobytes(), today())
    with db:
        db.execute("INSERT OR REPLACE INTO maps VALUES (?, ?, ?)", row)


def find_note(db: sqlite3.Connection, key: Mapping[str, Any]) -> Any:
    """What was noted under `key`, None where nothing was."""
    row = db.execute("SELECT value FROM notes WHERE key = ?", (to_key(key),)).fetchone()
    return None if row is None else json.loads(row[0])


def store_note(db: sqlite3.Connection, key: Mapping[str, Any], value: Any) -> None:
    """Note any JSON value but null."""
    with db:
        db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (to_key(key), json.dumps(value)))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
