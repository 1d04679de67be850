"""What the cache holds, and what is dropped from it when it grows too large."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itae_cluster.core.cache_tables import QUERY_ROWS, today

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

__all__ = ["CacheInfo", "describe", "prune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """What a cache holds. `days` is the age in days of the oldest use of a vector."""

    path: str
    bytes: int = 0
    vectors: int = 0
    recipes: tuple[tuple[Mapping[str, Any], int], ...] = ()
    files: int = 0
    thumbnails: int = 0
    maps: int = 0
    days: int = 0


def describe(db: sqlite3.Connection, path: str) -> CacheInfo:
    """Count what the tables hold, each recipe with the number of its vectors."""
    recipes = db.execute(
        "SELECT fingerprint, (SELECT COUNT(*) FROM entries WHERE recipe = recipes.id) FROM recipes"
    ).fetchall()
    oldest = _number(db, "SELECT MIN(day) FROM entries")
    return CacheInfo(
        path=path,
        bytes=_size(db),
        vectors=_number(db, "SELECT COUNT(*) FROM entries"),
        recipes=tuple((json.loads(text), number) for text, number in recipes),
        files=_number(db, "SELECT COUNT(*) FROM files"),
        thumbnails=_number(db, "SELECT COUNT(*) FROM thumbnails"),
        maps=_number(db, "SELECT COUNT(*) FROM maps"),
        days=today() - oldest if oldest else 0,
    )


def prune(db: sqlite3.Connection, max_bytes: int) -> int:
    """Drop what was not used for longest until the file is no larger; how many vectors."""
    dropped = 0
    while _size(db) > max_bytes:
        with db:
            some = _drop_oldest(db)
        if not some and not _drop_rest(db):
            break
        dropped += some
    if dropped:
        db.executescript("PRAGMA incremental_vacuum")  # `execute` frees one page only
    return dropped


def _drop_oldest(db: sqlite3.Connection) -> int:
    """Forget a few hundred vectors, and what belonged to none that is left; how many."""
    oldest = db.execute(f"SELECT id FROM entries ORDER BY day, id LIMIT {QUERY_ROWS}").fetchall()
    db.executemany("DELETE FROM vectors WHERE id = ?", oldest)
    db.executemany("DELETE FROM entries WHERE id = ?", oldest)
    kept = _number(db, "SELECT MIN(day) FROM entries")
    for table in ("thumbnails", "maps"):
        db.execute(f"DELETE FROM {table} WHERE day < ?", (kept,))
    return len(oldest)


def _drop_rest(db: sqlite3.Connection) -> int:
    """Forget all but the recipes, once no vector is left."""
    with db:
        gone = sum(db.execute(f"DELETE FROM {t}").rowcount for t in ("thumbnails", "maps", "files"))
    db.executescript("PRAGMA incremental_vacuum")
    return gone


def _size(db: sqlite3.Connection) -> int:
    """Bytes of the file once free pages are given back."""
    pages, free, size = (
        _number(db, f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _number(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0] or 0)
