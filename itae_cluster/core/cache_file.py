"""The SQLite file of the cache: made where it is missing, set aside where it is damaged.

Whatever goes wrong with it is told once; from then on every query has its default for an answer.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from itae_cluster.core.types import Reporter

__all__ = ["CacheFile"]

_VERSION = 2  # of the schema below; 1 had no notes
_PATIENCE = 30.0  # seconds to wait for another process that writes
_PAUSE = 0.05  # seconds
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

P = ParamSpec("P")
T = TypeVar("T")


class CacheFile:
    """One SQLite file, shared by threads.

    Args:
        path: the file; None for one that answers nothing.
        reporter: told once if it cannot be used, and why.
    """

    def __init__(self, path: str | None, reporter: Reporter) -> None:
        self.path = path
        self._reporter = reporter
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        if path is not None:
            self._open(path)

    @property
    def is_open(self) -> bool:
        """Whether a query can be answered."""
        return self._db is not None

    def close(self) -> None:
        """Let go of the file; from then on every query has its default for an answer."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def ask(
        self,
        default: T,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What `query` makes of the connection and its arguments; `default` where it fails."""
        with self._lock:
            if self._db is None:
                return default
            try:
                return query(self._db, *args, **kwargs)
            except (sqlite3.Error, OSError, ValueError) as error:
                self.close()
                # A new file would number recipes anew, and this run knows the old numbers.
                outlook = "the next run begins a new one"
                if not _is_damaged(error) or not self._set_aside(self.path or "", outlook):
                    self._give_up(str(error))
                self.path = None
                return default

    def _open(self, path: str) -> None:
        for outlook in ("a new one is begun", None):
            try:
                self._db = _connect_patiently(path)
                return
            except _NewerError:
                self._give_up("it was made by a newer version of itae-cluster")
                return
            except (sqlite3.Error, OSError) as error:
                if not _is_damaged(error) or not outlook or not self._set_aside(path, outlook):
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
        path, self.path = self.path or "", None
        self._reporter.warn(
            f"the cache {printable(path)} cannot be used ({printable(reason)}), so nothing is "
            "kept; give another folder with --cache DIR, or --no-cache"
        )


class _NewerError(Exception):
    """The file has a schema that this version does not know."""


def _connect_patiently(path: str) -> sqlite3.Connection:
    """`_connect`, again while others are in the way: SQLite does not wait for its journal."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return _connect(path)
        except sqlite3.OperationalError as error:
            is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > end:
                raise
        time.sleep(_PAUSE)


def _connect(path: str) -> sqlite3.Connection:
    """An open cache file, made where it is missing, readable by its owner alone."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise _NewerError
        if version < _VERSION:
            _create_tables(db)
        db.execute("PRAGMA journal_mode = WAL").fetchone()  # stays as it was on network drives
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT COUNT(*) FROM recipes").fetchone()  # a damaged file shows itself
    except BaseException:
        db.close()
        raise
    return db


def _create_tables(db: sqlite3.Connection) -> None:
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
