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

from itae_cluster import __version__, confined
from itae_cluster.errors import JournalError
from itae_cluster.manifest import named, path_of, to_json
from itae_cluster.names import printable
from itae_cluster.options import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FOLDER", "Journal", "Place", "Step", "Transaction", "Write"]

FOLDER = ".itae-cluster"
"""The folder in a result that holds what the tool itself needs."""

SCHEMA = "itae-cluster/journal"
SCHEMA_VERSION = 1
_FILE = "journal.jsonl"
_HEAD = {"record": "journal", "schema": SCHEMA, "schema_version": SCHEMA_VERSION}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
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
class Write:
    """A file that the tool makes itself: manifest, table, preview."""

    destination: str
    size: int
    sha256: str


Step = Place | Write


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
        """One more step; a file that the tool writes again is what it was written last."""
        if isinstance(step, Write):
            self.skipped.update(
                number
                for number, earlier in enumerate(self.steps)
                if isinstance(earlier, Write) and earlier.destination == step.destination
            )
        self.steps.append(step)
        self.folders.add(os.path.dirname(step.destination))

    def relocate(self, number: int, destination: str) -> None:
        """The file of a step is somewhere else in the result now."""
        self.steps[number] = replace(self.steps[number], destination=destination)
        self.folders.add(os.path.dirname(destination))

    def taken(self) -> list[Step]:
        """The steps without those that were skipped."""
        return [step for number, step in enumerate(self.steps) if number not in self.skipped]


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
        """Whether there is one."""
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
            {"record": "moved", "id": ident, "step": number, **named("destination", destination)}
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
        data = memoryview("".join(to_json(record) + "\n" for record in records).encode("ascii"))
        handle = os.open(self.path, os.O_RDWR | _NO_FOLLOW)
        try:
            end = _end_of_last_line(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            try:
                while data:
                    data = data[os.write(handle, data) :]
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
            text = self._content()
        except (FileNotFoundError, NotADirectoryError):
            raise JournalError(
                f"{printable(self.root)} holds no journal: it is no result of this tool, or was "
                "made by a version before it kept one"
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
                    _take(record, transactions)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                raise JournalError(
                    f"{shown}, line {number}, cannot be followed: {error}; nothing was changed"
                ) from error
        return list(transactions.values())

    def remove(self) -> None:
        """Take the journal and its folder away, where nothing else is in it.

        Raises:
            OSError: if that cannot be done.
        """
        os.unlink(self.path)
        os.rmdir(self.folder)

    def _content(self) -> bytes:
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
        raise ValueError("it is no journal of this tool")
    if record["schema_version"] != SCHEMA_VERSION:
        raise ValueError("it was written by another version of this tool; use that one")


def _take(record: Mapping[str, Any], transactions: dict[str, Transaction]) -> None:
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
    record = {
        "record": "step",
        "id": ident,
        **named("destination", step.destination),
        "size": step.size,
        "sha256": step.sha256,
    }
    if isinstance(step, Write):
        return {**record, "op": "write"}
    return {
        **record,
        "op": "place",
        "how": str(step.how),
        **named("source", step.source),
        "mtime_ns": step.mtime_ns,
        "mode": step.mode,
        **({} if step.link is None else named("link", step.link)),
    }


def _read_destination(record: Mapping[str, Any]) -> str:
    destination = path_of(record, "destination")
    if not confined.is_inside(destination):
        raise ValueError(f"{printable(destination)} leads out of the result")
    return destination


def _read_step(record: Mapping[str, Any]) -> Step:
    destination = _read_destination(record)
    size, digest = int(record["size"]), str(record["sha256"])
    if record["op"] == "write":
        return Write(destination, size, digest)
    if record["op"] != "place":
        raise ValueError(f"unknown step {record['op']!r}; a newer version of this tool wrote it")
    if destination.split("/")[0] == FOLDER:
        raise ValueError(f"{printable(destination)} is no place for a picture")
    source = path_of(record, "source")
    if not os.path.isabs(source):
        raise ValueError(f"{printable(source)} is not absolute")
    return Place(
        Action(record["how"]),
        source,
        destination,
        size,
        int(record["mtime_ns"]),
        int(record["mode"]),
        digest,
        path_of(record, "link") if "link" in record else None,
    )
