"""The journal of a result, `OUT/.itae-cluster/journal.jsonl`: what was done, written before it is.

One JSON record a line, only ever appended and flushed to the disk before what it announces is
begun. The records of one transaction are `begin`, its `step`s, perhaps `skip` (a step that was not
done), `staged` (everything is in its place, originals untouched), `done`; later perhaps `moved` (a
person moved a file within the result), `undo` and `undone`. Whether one step has been done is not
written down: the files themselves tell, so that a step may be repeated. The format is described in
docs/safety.md.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import stat
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from itae_cluster.core import __version__
from itae_cluster.core.documents import path_of, path_record, to_json
from itae_cluster.core.errors import JournalError
from itae_cluster.core.files import write_all
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.results import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "FOLDER",
    "Earlier",
    "Journal",
    "Place",
    "Shift",
    "Step",
    "Transaction",
    "Write",
    "last_to_undo",
    "workplace",
    "write_digests",
]

FOLDER = ".itae-cluster"
"""The folder in a result that holds what the tool itself needs."""

SCHEMA = "itae-cluster/journal"
SCHEMA_VERSION = 1
_FILE = "journal.jsonl"
_HEAD = {"record": "journal", "schema": SCHEMA, "schema_version": SCHEMA_VERSION}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A picture comes into the result. `link` is the text of a source that is a symbolic link.

    `source` is absolute, `destination` relative to the result, `mode` the permission bits.
    """

    how: Action
    source: str
    destination: str
    size: int
    mtime_ns: int
    mode: int
    sha256: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a file that is written anew was before, and where in the result that is kept."""

    backup: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Write:
    """A file that the tool makes itself: manifest, table, preview; `earlier`: what it replaces.

    One that only goes has size 0 and no digest.
    """

    destination: str
    size: int
    sha256: str
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A picture or a folder goes from `origin` to `destination`, both in the result."""

    origin: str
    destination: str


Step = Place | Write | Shift


@dataclass(slots=True)
class Transaction:
    """One change of the result, as far as the journal tells.

    `folders` are those its files are or were in, `marks` the records after its steps.
    """

    id: str
    kind: str
    details: Mapping[str, Any]
    steps: list[Step] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)

    def add(self, step: Step) -> None:
        """Append a step, and note the folders that it touches."""
        self.steps.append(step)
        self.folders.add(os.path.dirname(step.destination))
        if isinstance(step, Write) and step.earlier is not None:
            self.folders.add(os.path.dirname(step.earlier.backup))

    def relocate(self, number: int, destination: str) -> None:
        """The file of a step is somewhere else in the result now."""
        self.steps[number] = replace(self.steps[number], destination=destination)
        self.folders.add(os.path.dirname(destination))

    def steps_done(self) -> list[Step]:
        """The steps without those that were skipped."""
        return [step for number, step in enumerate(self.steps) if number not in self.skipped]

    def is_open(self) -> bool:
        """Whether it was neither finished nor taken back."""
        return "undone" not in self.marks and ("undo" in self.marks or "done" not in self.marks)


def write_digests(transactions: Iterable[Transaction]) -> dict[str, str]:
    """SHA-256 of each file that the tool made and has not taken back, by its place."""
    return {
        step.destination: step.sha256
        for transaction in transactions
        if "undone" not in transaction.marks
        for step in transaction.steps_done()
        if isinstance(step, Write)
    }


class Journal:
    """The journal of the result (or staging folder) `root`.

    Args:
        root: a folder; `read` and `append` look for the journal in it.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = os.path.join(root, FOLDER)
        self.path = os.path.join(self.folder, _FILE)

    def create(self) -> None:
        """Make the folder and an empty journal in it.

        Raises:
            OSError: if that cannot be done, or there is one.
        """
        os.mkdir(self.folder)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o666))
        self.append([_HEAD])

    def exists(self) -> bool:
        """Whether there is a journal, readable or not."""
        return os.path.lexists(self.path)

    def begin(self, kind: str, steps: Sequence[Step], **details: Any) -> str:
        """Announce a transaction with all the steps that are known; its id.

        Raises:
            OSError: if it could not be written to the disk.
        """
        ident = secrets.token_hex(4)
        head = {
            "record": "begin",
            "id": ident,
            "kind": kind,
            "tool": {"name": "itae-cluster", "version": __version__},
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
            **details,
        }
        self.append([head, *(_step_record(ident, step) for step in steps)])
        return ident

    def add_steps(self, ident: str, steps: Iterable[Step], skipped: Iterable[int] = ()) -> None:
        """Announce more steps, and tell which of the earlier ones (by number) were left out."""
        left_out = [{"record": "skip", "id": ident, "step": number} for number in skipped]
        self.append([*(_step_record(ident, step) for step in steps), *left_out])

    def relocate(self, ident: str, found: Mapping[int, str]) -> None:
        """Note where a person moved the files of these steps, by number, within the result."""
        self.append(
            {
                "record": "moved",
                "id": ident,
                "step": number,
                **path_record("destination", destination),
            }
            for number, destination in found.items()
        )

    def mark(self, ident: str, record: str) -> None:
        """Note that a transaction is `staged`, `done`, `undo` (begun to be undone) or `undone`."""
        self.append([{"record": record, "id": ident}])

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records at the end, and return when they have reached the disk.

        Raises:
            OSError: if they have not.
        """
        data = "".join(to_json(record) + "\n" for record in records).encode("ascii")
        handle = os.open(self.path, os.O_RDWR | _NO_FOLLOW)
        try:
            end = _end_of_last_line(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            try:
                write_all(handle, data)
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)

    def read(self) -> list[Transaction]:
        """Every transaction, the oldest first.

        Raises:
            JournalError: if there is none, it is damaged, or it points outside the result.
        """
        shown = printable(self.path)
        try:
            text = self.content()
        except (FileNotFoundError, NotADirectoryError):
            raise JournalError(
                f"{printable(self.root)} is not a result of this tool: it holds no journal; name "
                "the folder that --out made"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise JournalError(f"cannot read {shown}: {reason}; nothing was changed") from error
        transactions: dict[str, Transaction] = {}
        lines = text.split(b"\n")[:-1]  # what follows the last line end was not written in full
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                if number == 1:
                    _check_head(record)
                else:
                    _add_record(record, transactions)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                raise JournalError(
                    f"{shown}, line {number}, cannot be used: {error}; nothing was changed"
                ) from error
        return list(transactions.values())

    def remove(self) -> None:
        """Take the journal and its folder away, where nothing else is in it.

        Raises:
            OSError: if that cannot be done.
        """
        os.unlink(self.path)
        os.rmdir(self.folder)

    def content(self) -> bytes:
        """The journal as it stands in its file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it, or its folder, is a link.
        """
        if not stat.S_ISDIR(os.lstat(self.folder).st_mode):
            raise ValueError(f"{FOLDER} is a link or a file, where a folder was")
        if not stat.S_ISREG(os.lstat(self.path).st_mode):
            raise ValueError("it is not a regular file")
        handle = os.open(self.path, os.O_RDONLY | _NO_FOLLOW)
        with open(handle, "rb") as file:
            return file.read()


def _end_of_last_line(handle: int) -> int:
    """Where the last complete line ends: what follows was torn off by a crash."""
    end = os.lseek(handle, 0, os.SEEK_END)
    tail = b""
    while end and b"\n" not in tail:
        start = max(0, end - (1 << 16))
        os.lseek(handle, start, os.SEEK_SET)
        tail = os.read(handle, end - start)
        if b"\n" in tail:
            return start + tail.rindex(b"\n") + 1
        end = start
    return 0


def _check_head(record: Mapping[str, Any]) -> None:
    if record["schema"] != SCHEMA:
        raise ValueError("it is not a journal of this tool")
    if record["schema_version"] != SCHEMA_VERSION:
        raise ValueError("it was written by another version of this tool; use that one")


def _add_record(record: Mapping[str, Any], transactions: dict[str, Transaction]) -> None:
    ident, kind = record["id"], record["record"]
    if kind == "begin":
        if not re.fullmatch("[0-9a-f]{8}", ident):
            raise ValueError("an id is not as it should be")  # it becomes part of file names
        known = {"record", "id", "kind"}
        details = {key: value for key, value in record.items() if key not in known}
        transactions[ident] = Transaction(ident, record["kind"], details)
    elif kind == "step":
        transactions[ident].add(_read_step(record))
    elif kind == "skip":
        transactions[ident].skipped.add(int(record["step"]))
    elif kind == "moved":
        transactions[ident].relocate(int(record["step"]), _read_destination(record))
    elif kind in {"staged", "done", "undo", "undone"}:
        transactions[ident].marks.add(kind)
    else:
        raise ValueError(f"unknown record {kind!r}; a newer version of this tool wrote it")


def _step_record(ident: str, step: Step) -> dict[str, Any]:
    head = {"record": "step", "id": ident, **path_record("destination", step.destination)}
    if isinstance(step, Shift):
        return {**head, "op": "shift", **path_record("origin", step.origin)}
    record = {**head, "size": step.size, "sha256": step.sha256}
    if isinstance(step, Write):
        return {**record, "op": "write", **_earlier_record(step.earlier)}
    return {
        **record,
        "op": "place",
        "how": str(step.how),
        **path_record("source", step.source),
        "mtime_ns": step.mtime_ns,
        "mode": step.mode,
        **({} if step.link is None else path_record("link", step.link)),
    }


def _earlier_record(earlier: Earlier | None) -> dict[str, Any]:
    if earlier is None:
        return {}
    return {
        **path_record("backup", earlier.backup),
        "earlier_size": earlier.size,
        "earlier_sha256": earlier.sha256,
    }


def _read_destination(record: Mapping[str, Any], key: str = "destination") -> str:
    destination = path_of(record, key)
    if not paths.is_inside(destination):
        raise ValueError(f"{printable(destination)} leads out of the result")
    return destination


def _read_place(record: Mapping[str, Any], key: str) -> str:
    """A place of a picture, which is never among what the tool keeps for itself."""
    place = _read_destination(record, key)
    if place.split("/")[0] == FOLDER:
        raise ValueError(f"{printable(place)} is no place for a picture")
    return place


def _read_write(record: Mapping[str, Any]) -> Write:
    made = Write(_read_destination(record), int(record["size"]), str(record["sha256"]))
    if "backup" not in record:
        return made
    backup = _read_destination(record, "backup")
    if backup.split("/")[0] != FOLDER:
        raise ValueError(f"{printable(backup)} is no place for an earlier version")
    size, digest = int(record["earlier_size"]), str(record["earlier_sha256"])
    return replace(made, earlier=Earlier(backup, size, digest))


def _read_step(record: Mapping[str, Any]) -> Step:
    if record["op"] == "write":
        return _read_write(record)
    if record["op"] == "shift":
        return Shift(_read_place(record, "origin"), _read_place(record, "destination"))
    if record["op"] != "place":
        raise ValueError(f"unknown step {record['op']!r}; a newer version of this tool wrote it")
    source = path_of(record, "source")
    if not os.path.isabs(source):
        raise ValueError(f"{printable(source)} is not absolute")
    return Place(
        how=Action(record["how"]),
        source=source,
        destination=_read_place(record, "destination"),
        size=int(record["size"]),
        mtime_ns=int(record["mtime_ns"]),
        mode=int(record["mode"]),
        sha256=str(record["sha256"]),
        link=path_of(record, "link") if "link" in record else None,
    )


def workplace(root: str, ident: str) -> str:
    """The folder in which the pieces of a transaction are made; it holds no only copy."""
    return os.path.join(root, FOLDER, f"new-{ident}")


def last_to_undo(transactions: list[Transaction]) -> Transaction | None:
    """The last transaction that is not undone."""
    return next((t for t in reversed(transactions) if "undone" not in t.marks), None)
