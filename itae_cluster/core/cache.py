"""What earlier runs found out, kept in one SQLite file: embeddings, thumbnails, maps.

A vector is found by the SHA-256 of the picture's content and by its recipe, the fingerprint of all
that shapes a vector (`docs/cache.md`), so renamed and moved files keep theirs. Paths with size and
time of change are kept too, and spare reading a file whose content is known.

A cache may fail, a run must not because of it: whatever goes wrong here is told once, and from then
on nothing is found and nothing kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from itae_cluster.core.files import FileDigest, cache_root, is_unchanged
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import CacheOptions
    from itae_cluster.core.types import Reporter

__all__ = ["FILE", "MAX_BYTES", "Cache", "CacheInfo", "file_in", "open_cache"]

FILE = "embeddings.sqlite"
MAX_BYTES = 4_000_000_000
"""Size at which the vectors that were not used for longest are dropped."""

_VERSION = 2  # of the schema below; 1 had no notes
_CHUNK = 500  # rows a query; SQLite takes no more than 999 values in old builds
_PATIENCE = 30.0  # seconds to wait for another process that writes
_SETTLED = 2_000_000_000  # ns: coarsest clock of a common file system (FAT)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files
    (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, content BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recipes (id INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS entries
    (id INTEGER PRIMARY KEY, recipe INTEGER, content BLOB, day INTEGER, UNIQUE (recipe, content));
CREATE INDEX IF NOT EXISTS entries_by_day ON entries (day);
CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, vector BLOB, crc32 INTEGER);
CREATE TABLE IF NOT EXISTS thumbnails (content BLOB PRIMARY KEY, jpeg BLOB, day INTEGER);
CREATE TABLE IF NOT EXISTS maps (key TEXT PRIMARY KEY, coordinates BLOB, day INTEGER);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT);
PRAGMA user_version = 2;
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds. `days` is the age in days of the oldest use of a vector."""

    path: str
    bytes: int
    vectors: int
    recipes: tuple[tuple[Mapping[str, Any], int], ...]
    files: int
    thumbnails: int
    maps: int
    days: int


def file_in(folder: str | None) -> str:
    """The cache's file in `folder`; in $ITAE_CLUSTER_CACHE or the platform's cache by default."""
    return os.path.join(folder or cache_root(), FILE)


class Cache:
    """A context manager around one cache file; safe to share among threads and processes.

    Args:
        path: the file, made where it is missing; None for a cache that holds and keeps nothing.
        reporter: told once if the cache cannot be used, and why.
        max_bytes: what the file is pruned to when the cache is closed.
    """

    def __init__(self, path: str | None, reporter: Reporter, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._reporter = reporter
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        if path is not None:
            self._open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.prune(self._max_bytes)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    @property
    def is_open(self) -> bool:
        """Whether anything can be found or kept."""
        return self._db is not None

    # Files ---------------------------------------------------------------------------------

    def digests(self, paths: Sequence[str]) -> list[bytes | None]:
        """SHA-256 of each file's content, unread: None where it is new or has changed."""

        def find(db: sqlite3.Connection) -> list[bytes | None]:
            return [digest for part in _chunks(paths) for digest in _unchanged(db, part)]

        return self._try(find, [None] * len(paths))

    def remember(self, known: Sequence[FileDigest]) -> None:
        """Keep the digests of files, but of such as may still change within their time stamp."""
        now = time.time_ns()
        rows = [
            (os.fsencode(item.path), item.size, item.mtime_ns, item.digest)
            for item in known
            if now - item.mtime_ns > _SETTLED
        ]
        self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    # Vectors -------------------------------------------------------------------------------

    def recipe(self, fingerprint: Mapping[str, Any]) -> int:
        """The number of a recipe: equal for equal fingerprints only."""
        text = json.dumps(fingerprint, sort_keys=True)

        def find(db: sqlite3.Connection) -> int:
            with db:
                db.execute("INSERT OR IGNORE INTO recipes (fingerprint) VALUES (?)", (text,))
            row = db.execute("SELECT id FROM recipes WHERE fingerprint = ?", (text,)).fetchone()
            return int(row[0])

        return self._try(find, 0)

    def fill(
        self, recipe: int, digests: Sequence[bytes | None], out: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Put the vectors that are known into their rows.

        Args:
            recipe: what they must have been made by.
            digests: n contents; None is never found.
            out: (n, D), written where a vector is found.

        Returns:
            (n,) which rows were found.
        """
        found = np.zeros(len(digests), dtype=np.bool_)

        def find(db: sqlite3.Connection) -> NDArray[np.bool_]:
            for start in range(0, len(digests), _CHUNK):
                rows: dict[bytes, list[int]] = {}
                for row, digest in enumerate(digests[start : start + _CHUNK], start):
                    if digest is not None:
                        rows.setdefault(digest, []).append(row)
                for content, vector in _read(db, recipe, list(rows), out.shape[1]):
                    out[rows[content]] = vector
                    found[rows[content]] = True
            return found

        return self._try(find, found)

    def store(self, recipe: int, digests: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep vectors, (n, D) float32, for good once this returns."""

        def write(db: sqlite3.Connection) -> None:
            with db:
                for digest, vector in zip(digests, vectors, strict=True):
                    raw = vector.astype("<f4").tobytes()
                    number = db.execute(
                        "INSERT INTO entries (recipe, content, day) VALUES (?, ?, ?)"
                        " ON CONFLICT DO UPDATE SET day = excluded.day RETURNING id",
                        (recipe, digest, _today()),
                    ).fetchone()[0]
                    row = (number, raw, zlib.crc32(raw))
                    db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", row)

        self._try(write, None)

    # Previews ------------------------------------------------------------------------------

    def thumbnails(self, paths: Sequence[str], version: int) -> dict[str, bytes]:
        """JPEGs of the files, by path, as far as they are known and the files unchanged.

        Args:
            paths: the files.
            version: of the way pictures are read; what was made in another way is not found.
        """

        def find(db: sqlite3.Connection) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for part in _chunks(paths):
                for path, digest in zip(part, _unchanged(db, part), strict=True):
                    sql = "SELECT jpeg FROM thumbnails WHERE content = ?"
                    row = digest and db.execute(sql, (_thumbnail_key(digest, version),)).fetchone()
                    if row:
                        found[path] = row[0]
            return found

        return self._try(find, {})

    def store_thumbnails(self, jpegs: Mapping[str, bytes], version: int) -> None:
        """Keep JPEGs by path, of files whose content is known."""
        paths = list(jpegs)
        known = zip(paths, self.digests(paths), strict=True)
        rows = [
            (_thumbnail_key(digest, version), jpegs[path], _today())
            for path, digest in known
            if digest is not None
        ]
        self._write("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", rows)

    def coordinates(self, key: str, dim: int = 2) -> NDArray[np.float32] | None:
        """The map or reduction (n, dim) kept under `key`, None where there is none."""

        def find(db: sqlite3.Connection) -> NDArray[np.float32] | None:
            row = db.execute("SELECT coordinates FROM maps WHERE key = ?", (key,)).fetchone()
            return None if row is None else np.frombuffer(row[0], dtype="<f4").reshape(-1, dim)

        return self._try(find, None)

    def store_coordinates(self, key: str, coordinates: NDArray[np.float32]) -> None:
        """Keep a map or another reduction, (n, any)."""
        row = (key, coordinates.astype("<f4").tobytes(), _today())
        self._write("INSERT OR REPLACE INTO maps VALUES (?, ?, ?)", [row])

    # Notes ---------------------------------------------------------------------------------

    def note(self, key: Mapping[str, Any]) -> Any:
        """What was noted under `key`, None where nothing was."""

        def find(db: sqlite3.Connection) -> Any:
            sql = "SELECT value FROM notes WHERE key = ?"
            row = db.execute(sql, (json.dumps(key, sort_keys=True),)).fetchone()
            return None if row is None else json.loads(row[0])

        return self._try(find, None)

    def store_note(self, key: Mapping[str, Any], value: Any) -> None:
        """Note what took time to find out: any JSON value but null."""
        row = (json.dumps(key, sort_keys=True), json.dumps(value))
        self._write("INSERT OR REPLACE INTO notes VALUES (?, ?)", [row])

    # Upkeep --------------------------------------------------------------------------------

    def info(self) -> CacheInfo:
        """What is in it; all zeros where it cannot be used."""
        path = self._path or ""

        def count(db: sqlite3.Connection) -> CacheInfo:
            def one(sql: str) -> int:
                return int(db.execute(sql).fetchone()[0] or 0)

            recipes = db.execute(
                "SELECT fingerprint, (SELECT COUNT(*) FROM entries WHERE recipe = recipes.id)"
                " FROM recipes"
            ).fetchall()
            oldest = one("SELECT MIN(day) FROM entries")
            return CacheInfo(
                path=path,
                bytes=_size(db),
                vectors=one("SELECT COUNT(*) FROM entries"),
                recipes=tuple((json.loads(text), number) for text, number in recipes),
                files=one("SELECT COUNT(*) FROM files"),
                thumbnails=one("SELECT COUNT(*) FROM thumbnails"),
                maps=one("SELECT COUNT(*) FROM maps"),
                days=_today() - oldest if oldest else 0,
            )

        return self._try(count, CacheInfo(path, 0, 0, (), 0, 0, 0, 0))

    def prune(self, max_bytes: int) -> int:
        """Drop what was not used for longest until the file is no larger; how many vectors."""

        def drop(db: sqlite3.Connection) -> int:
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

        return self._try(drop, 0)

    # Failing -------------------------------------------------------------------------------

    def _open(self, path: str) -> None:
        for attempt in (1, 2):
            try:
                self._db = _connected(path)
                return
            except _NewerError:
                self._give_up("it was made by a newer version of itae-cluster")
                return
            except (sqlite3.Error, OSError) as error:
                if (
                    not _is_damaged(error)
                    or attempt == 2
                    or not self._set_aside(path, "a new one is begun")
                ):
                    self._give_up(str(error))
                    return

    def _set_aside(self, path: str, outlook: str) -> bool:
        """Put a damaged file out of the way, under a name that says so; whether that went well."""
        aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        try:
            os.replace(path, aside)
        except OSError:
            return False
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.replace(path + suffix, aside + suffix)
        self._reporter.warn(
            f"the cache {printable(path)} is damaged; it was set aside as "
            f"{printable(os.path.basename(aside))}, and {outlook}"
        )
        return True

    def _give_up(self, reason: str) -> None:
        self.close()
        path = self._path or ""
        self._path = None
        self._reporter.warn(
            f"the cache {printable(path)} cannot be used ({printable(reason)}), so nothing is "
            "kept; give another folder with --cache DIR, or --no-cache"
        )

    def _try(self, job: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        with self._lock:
            if self._db is None:
                return otherwise
            try:
                return job(self._db)
            except (sqlite3.Error, OSError, ValueError) as error:
                self.close()
                # A new file would number recipes anew, and this run knows the old numbers.
                outlook = "the next run begins a new one"
                if not _is_damaged(error) or not self._set_aside(self._path or "", outlook):
                    self._give_up(str(error))
                self._path = None
                return otherwise

    def _write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def write(db: sqlite3.Connection) -> None:
            with db:
                db.executemany(sql, rows)

        if rows:
            self._try(write, None)


class _NewerError(Exception):
    """The file has a schema that this version does not know."""


def _connected(path: str) -> sqlite3.Connection:
    """An open cache file, made where it is missing, readable by its owner alone."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise _NewerError
        if version < _VERSION:
            _create(db)
        db.execute("PRAGMA journal_mode = WAL").fetchone()  # stays as it was on network drives
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT COUNT(*) FROM recipes").fetchone()  # a damaged file shows itself
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    """Make the tables that are missing, once, whoever comes first."""
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is written
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
    db.execute("COMMIT")


def _is_damaged(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _thumbnail_key(digest: bytes, version: int) -> bytes:
    """A content and a version: thumbnails of version 0.1.0 lie under the content alone."""
    return digest + version.to_bytes(2, "big")


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _unchanged(db: sqlite3.Connection, paths: Sequence[str]) -> list[bytes | None]:
    """Digests of the files that have the size and time they had when they were read."""
    names = [os.fsencode(os.path.abspath(path)) for path in paths]
    sql = f"SELECT path, size, mtime_ns, content FROM files WHERE path IN ({_marks(names)})"
    known = {name: (size, time_, digest) for name, size, time_, digest in db.execute(sql, names)}
    found: list[bytes | None] = []
    for path, name in zip(paths, names, strict=True):
        size, mtime_ns, digest = known.get(name, (0, 0, None))
        known_still = digest is not None and is_unchanged(path, size, mtime_ns)
        found.append(digest if known_still else None)
    return found


def _read(
    db: sqlite3.Connection, recipe: int, digests: Sequence[bytes], dim: int
) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    """The vectors of these contents that are whole; that they were used today is noted."""
    marks, values = _marks(digests), (recipe, *digests)
    stale = f"UPDATE entries SET day = {_today()} WHERE recipe = ? AND content IN ({marks})"
    with db:
        db.execute(f"{stale} AND day < {_today()}", values)
    for content, raw, crc in db.execute(
        "SELECT content, vector, crc32 FROM entries JOIN vectors USING (id)"
        f" WHERE recipe = ? AND content IN ({marks})",
        values,
    ):
        if len(raw) == 4 * dim and zlib.crc32(raw) == crc:
            yield content, np.frombuffer(raw, dtype="<f4")


def _drop_oldest(db: sqlite3.Connection) -> int:
    """Forget a few hundred vectors, and what belonged to none that is left; how many."""
    oldest = db.execute(f"SELECT id FROM entries ORDER BY day, id LIMIT {_CHUNK}").fetchall()
    db.executemany("DELETE FROM vectors WHERE id = ?", oldest)
    db.executemany("DELETE FROM entries WHERE id = ?", oldest)
    kept = db.execute("SELECT MIN(day) FROM entries").fetchone()[0]
    for table in ("thumbnails", "maps"):
        db.execute(f"DELETE FROM {table} WHERE day < ?", (kept or 0,))
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
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _today() -> int:
    """Days since 1970: fine enough for a cache, and a second run on one day writes nothing."""
    return int(time.time()) // 86_400


def open_cache(options: CacheOptions | None, reporter: Reporter) -> Cache:
    """The cache that is asked for; one that keeps nothing where `options` is None or off."""
    if options is None or options.off:
        return Cache(None, reporter)
    return Cache(file_in(options.folder), reporter)
