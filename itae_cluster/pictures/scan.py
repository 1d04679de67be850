"""Command-line paths and lists → the picture files to read, each file once, in a fixed order.

Folders are walked with fewest symbolic links first, then by depth, then by name. So a file reached
in two ways keeps its direct path, a loop of links ends at the folder already entered, and neither
the order of the arguments nor that of a folder's entries changes the result.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import mimetypes
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.text import printable, quantity
from itae_cluster.core.types import ScanResult, Skipped
from itae_cluster.pictures.formats import looks_like_picture, picture_suffixes
from itae_cluster.pictures.sidecars import RAW, raws_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import BinaryIO

    from pathspec import GitIgnoreSpec

    from itae_cluster.core.options import InputOptions
    from itae_cluster.core.types import Reporter

__all__ = ["compile_excludes", "find_pictures", "read_list", "read_list_file", "scan"]

_MANIFEST = "manifest.json"
_MANIFEST_MARK = b'"itae-cluster/manifest"'
_MANIFEST_HEAD = 200  # bytes; the mark stands at the top

_BROKEN_LINK = "broken symbolic link"
_IN_OUTPUT = "lies in the output folder"
_NOT_FOUND = "listed in --only, but not among the pictures found"
_SPECIAL = "not a regular file (a pipe, socket or device)"

_NO_SUFFIX = "no suffix"
_APPLE_DOUBLE = "._*"
_SPECIAL_KINDS = ((stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
_MOST_KINDS = 8  # that a line names

_EXTRAS: tuple[tuple[str, frozenset[str]], ...] = (
    ("raw", RAW - {".raw"}),
    ("jxl", frozenset({".jxl"})),
)
"""What reads files of these suffixes once it is installed."""

# Files with these suffixes are not looked into: they hold something else, or a picture that nobody
# wants to see beside the one it was made of (copies that editors keep, downloads that broke off).
_NO_PICTURE = frozenset(
    (
        *(suffix for types in mimetypes.MimeTypes().types_map for suffix in types),  # Python's own
        *(".7z", ".bz2", ".cfg", ".conf", ".db", ".docx", ".dmg", ".flac", ".gz", ".ini", ".iso"),
        *(".lnk", ".log", ".lrv", ".m2ts", ".m4a", ".m4v", ".md", ".mkv", ".mts", ".odt", ".ogg"),
        *(".pptx", ".rar", ".sqlite", ".thm", ".url", ".wmv", ".xlsx", ".xz", ".yaml", ".yml"),
        *(".aae", ".bak", ".crdownload", ".old", ".orig", ".part", ".partial", ".tmp", ".xmp"),
    )
)
_KEPT_COPY = ("_original", "~")  # ends of suffixes: exiftool's copies, those of text editors
_SUFFIX = re.compile(r"\.[\w+-]{1,12}~?")

# Characters that pattern engines stumble over, moved where no file name has any: the newline, which
# a regular expression's dot does not match, and surrogate escapes, which cannot be encoded.
_MATCHABLE = {code: 0x100000 + code for code in (0x0A, *range(0xDC80, 0xDD00))}


def read_list(stream: BinaryIO, *, null: bool) -> list[str]:
    """The paths of a list: one a line, or NUL-separated. Empty entries are dropped.

    A carriage return that ends a line belongs to the line end, except in a NUL-separated list.
    """
    data = stream.read()
    if null:
        entries = data.split(b"\0")
    else:
        entries = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(entry) for entry in entries if entry]


def read_list_file(path: str) -> list[str]:
    """The paths of a list in a file, NUL-separated if it holds a NUL, else one a line.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot read the list {printable(path)}: {reason}; check --only"
        ) from error
    return read_list(io.BytesIO(data), null=b"\0" in data)


def scan(
    inputs: Sequence[str],
    *,
    excludes: Sequence[str] = (),
    output: str | None = None,
    listed: Sequence[str] = (),
    only: Sequence[str] | None = None,
    look: Callable[[Sequence[str]], Iterable[bool | Exception]] | None = None,
) -> ScanResult:
    """Find the pictures.

    In folders, hidden entries are passed over, and a file is a picture by its suffix, or by its
    header where it has no suffix that is known. A file that is named or listed is always taken.

    Args:
        inputs: Files and folders of the command line; one that does not exist ends the run.
        excludes: Patterns as in a `.gitignore`, matched below each folder, and against the paths
            of named files. A folder that is named is entered in any case.
        output: The folder for the result; nothing in it is read.
        listed: Files and folders of a list; one that does not exist is skipped.
        only: Of the pictures found, those of this list alone are taken, under whatever path they
            are listed; what is listed and not found is skipped.
        look: Whether each of some files is a picture by its header, or why it cannot be read;
            `looks_like_picture` by default.

    Raises:
        UsageError: An input does not exist, or a pattern is not valid.
    """
    walk = _Walk(compile_excludes(excludes), None if output is None else _Output.at(output))
    for path in inputs:
        walk.add(path, required=True)
    for path in listed:
        walk.add(path, required=False)
    walk.run()
    walk.settle(look or partial(map, looks_like_picture))
    if only is not None:
        walk.pick(only)
    return walk.result()


@dataclass(frozen=True, slots=True)
class _Output:
    real: str
    identity: tuple[int, int] | None

    @classmethod
    def at(cls, path: str) -> _Output:
        try:
            identity = _identity(os.stat(path))
        except OSError:  # not there yet
            identity = None
        return cls(os.path.realpath(path), identity)

    def holds(self, real: str) -> bool:
        return real == self.real or real.startswith(os.path.join(self.real, ""))


@dataclass(order=True, frozen=True, slots=True)
class _Folder:
    """A folder to enter; `below` is its path from the named folder, with a slash at the end."""

    links: int
    depth: int
    key: bytes
    path: str = field(compare=False)
    below: str = field(compare=False)


@dataclass(slots=True)
class _Walk:
    spec: GitIgnoreSpec | None
    output: _Output | None
    suffixes: frozenset[str] = field(default_factory=lambda: picture_suffixes())
    waiting: list[_Folder] = field(default_factory=list)
    entered: set[object] = field(default_factory=set)
    found: dict[str, tuple[int, bytes, str]] = field(default_factory=dict)  # by real path
    skipped: dict[str, str] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    unsure: list[tuple[str, str, int]] = field(default_factory=list)  # as `keep` takes them
    passed_over: Counter[str] = field(default_factory=Counter)

    def result(self) -> ScanResult:
        beside = raws_beside(path for *_, path in self.found.values())
        if beside:
            self.notes.add(
                f"{quantity(len(beside), 'raw file')} beside pictures of the same name left out; "
                "--with-sidecars has them follow their pictures"
            )
        files = sorted((key, path) for _, key, path in self.found.values() if path not in beside)
        skipped = sorted(self.skipped.items(), key=lambda item: os.fsencode(item[0]))
        return ScanResult(
            files=tuple(path for _, path in files),
            skipped=tuple(Skipped(path, reason) for path, reason in skipped),
            passed_over=dict(
                sorted(self.passed_over.items(), key=lambda item: (-item[1], item[0]))
            ),
            notes=tuple(sorted(self.notes)),
        )

    def add(self, path: str, *, required: bool) -> None:
        """Take a path that was named or listed."""
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            if required and missing and not os.path.islink(path):
                raise UsageError(
                    f"no such file or folder: {printable(path) or repr(path)}; check the spelling"
                ) from error
            self.skipped[path] = _reason(error, path)
            return
        real = os.path.realpath(path)
        links = int(real != os.path.abspath(path))
        if stat.S_ISDIR(mode):
            self.wait(path, "", links=links, depth=0)
        elif not stat.S_ISREG(mode):
            self.skipped[path] = _SPECIAL
        elif _is_apple_double(path):
            self.passed_over[_APPLE_DOUBLE] += 1
        elif not self.excludes(_below_anything(path)):
            self.keep(path, real, links)

    def run(self) -> None:
        while self.waiting:
            self.enter(heapq.heappop(self.waiting))

    def settle(self, look: Callable[[Sequence[str]], Iterable[bool | Exception]]) -> None:
        """Look into the files whose names do not say what they are."""
        self.unsure.sort()
        paths = [path for path, _, _ in self.unsure]
        for (path, real, links), answer in zip(self.unsure, look(paths), strict=True):
            if isinstance(answer, Exception):
                self.skipped[path] = str(answer)
            elif answer:
                self.keep(path, real, links)
            else:
                self.passed_over[_kind(path)] += 1

    def pick(self, only: Sequence[str]) -> None:
        """Drop what was found and is not listed."""
        wanted = {os.path.realpath(path): path for path in only}
        for real in wanted.keys() - self.found.keys():
            self.skipped.setdefault(wanted[real], _NOT_FOUND)
        self.found = {real: self.found[real] for real in self.found.keys() & wanted.keys()}

    def wait(self, path: str, below: str, *, links: int, depth: int) -> None:
        heapq.heappush(self.waiting, _Folder(links, depth, os.fsencode(path), path, below))

    def enter(self, folder: _Folder) -> None:
        try:
            identity = _identity(os.stat(folder.path))
            real = os.path.realpath(folder.path)
            if self.is_output(real, identity):
                if not folder.depth:
                    self.skipped[folder.path] = _IN_OUTPUT
                return
            # File systems that number no files (some network drives) say 0 for all of them.
            mark = identity if identity[1] else real
            if mark in self.entered:
                return
            self.entered.add(mark)
            with os.scandir(folder.path) as listing:
                entries = list(listing)
        except OSError as error:
            self.skipped[folder.path] = _reason(error, folder.path)
            return
        if folder.depth and _is_earlier_result(entries):
            self.notes.add(
                f"{printable(folder.path)}: an earlier result of this tool, left out; "
                "name this folder as an input to include it"
            )
            return
        for entry in entries:
            self.visit(entry, folder, real)

    def is_output(self, real: str, identity: tuple[int, int]) -> bool:
        if self.output is None:
            return False
        # The identity finds the same folder under another spelling, where case does not count.
        return self.output.holds(real) or (identity[1] != 0 and identity == self.output.identity)

    def visit(self, entry: os.DirEntry[str], folder: _Folder, real: str) -> None:
        if entry.name.startswith("."):
            if _is_apple_double(entry.name):
                self.passed_over[_APPLE_DOUBLE] += 1
            return
        below = folder.below + entry.name
        links = folder.links + entry.is_symlink()
        try:
            if entry.is_dir():
                if not self.excludes(below + "/"):
                    self.wait(entry.path, below + "/", links=links, depth=folder.depth + 1)
                return
            regular = entry.is_file()
        except OSError as error:  # a link that leads to itself, or through a locked folder
            self.lose(entry, below, _reason(error, entry.path))
            return
        if self.excludes(below):
            return
        if regular:
            target = os.path.realpath(entry.path) if entry.is_symlink() else None
            self.sort(entry.path, target or os.path.join(real, entry.name), links)
        elif entry.is_symlink() and not os.path.exists(entry.path):
            self.lose(entry, below, _BROKEN_LINK)
        else:
            self.passed_over[_special_kind(entry.path)] += 1

    def sort(self, path: str, real: str, links: int) -> None:
        """Take a file in a folder for what its name says, if that says something."""
        suffix = _suffix(path)
        if suffix in self.suffixes:
            self.keep(path, real, links)
        elif suffix in _NO_PICTURE or suffix.endswith(_KEPT_COPY) or _extra(suffix):
            self.passed_over[_kind(path)] += 1
        else:
            self.unsure.append((path, real, links))

    def lose(self, entry: os.DirEntry[str], below: str, reason: str) -> None:
        """A link leads nowhere: what it was is known by its name alone."""
        if self.excludes(below):
            return
        suffix = _suffix(entry.name)
        if suffix and suffix not in self.suffixes:
            self.passed_over[_kind(entry.name)] += 1
        else:
            self.skipped[entry.path] = reason

    def excludes(self, below: str) -> bool:
        return self.spec is not None and self.spec.match_file(below.translate(_MATCHABLE))

    def keep(self, path: str, real: str, links: int) -> None:
        if self.output is not None and self.output.holds(real):
            self.skipped[path] = _IN_OUTPUT
            return
        candidate = (links, os.fsencode(path), path)
        self.found[real] = min(candidate, self.found.get(real, candidate))


def compile_excludes(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    """The patterns as one matcher; None where there are none.

    Raises:
        UsageError: if one is not valid.
    """
    if not patterns:
        return None
    from pathspec import GitIgnoreSpec

    lines = [pattern.translate(_MATCHABLE) for pattern in patterns]
    for pattern, line in zip(patterns, lines, strict=True):
        # One by one, to name the wrong one; the library drops some of them without a word.
        try:
            compiled = GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error) as error:
            raise _bad_pattern(pattern) from error
        comment = not line.strip() or line.startswith("#")
        if not comment and all(part.include is None for part in compiled):
            raise _bad_pattern(pattern)
    return GitIgnoreSpec.from_lines(lines)


def _bad_pattern(pattern: str) -> UsageError:
    return UsageError(
        f"not a valid pattern: {printable(pattern)}; write it as in a .gitignore file, "
        "with a backslash before [ or ! that stand for themselves"
    )


def _below_anything(path: str) -> str:
    """A named file's path as if from a folder above: without root, drive, and leading `..`."""
    parts = os.path.normpath(os.path.splitdrive(path)[1]).split(os.sep)
    return "/".join(part for part in parts if part not in {"", os.pardir})


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower().rstrip(".")


def _kind(name: str) -> str:
    """What a file is counted as: its suffix, unless that is rather the end of a sentence."""
    suffix = _suffix(name)
    return suffix if _SUFFIX.fullmatch(suffix) else _NO_SUFFIX


def _special_kind(path: str) -> str:
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return next((kind for is_kind, kind in _SPECIAL_KINDS if is_kind(mode)), "device")
    return "device"


def _extra(suffix: str) -> str | None:
    """The extra that reads files of this suffix."""
    return next((extra for extra, suffixes in _EXTRAS if suffix in suffixes), None)


def _is_apple_double(path: str) -> bool:
    """The file in which macOS keeps attributes beside `x.jpg` is `._x.jpg`: a name, no picture."""
    return os.path.basename(path).startswith("._")


def _is_earlier_result(entries: Sequence[os.DirEntry[str]]) -> bool:
    for entry in entries:
        if entry.name == _MANIFEST:
            try:
                if not entry.is_file():
                    return False
                with open(entry.path, "rb") as file:
                    return _MANIFEST_MARK in file.read(_MANIFEST_HEAD)
            except OSError:
                return False
    return False


def _reason(error: OSError | ValueError, path: str) -> str:
    if isinstance(error, ValueError):
        return "not a possible file name; a NUL-separated list is read with --null"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _BROKEN_LINK if os.path.islink(path) else "no such file or folder"
    return (error.strerror or str(error)).lower()


def find_pictures(inputs: InputOptions, out: str | None, reporter: Reporter) -> ScanResult:
    """Scan, and tell what was passed over.

    Raises:
        InputError: if there is no picture.
    """
    from itae_cluster.pictures.decoders import Decoders

    reporter.progress("Finding pictures", 0, None)
    with Decoders(reporter) as decoders:
        result = scan(
            inputs.paths,
            excludes=inputs.excludes,
            output=out,
            listed=inputs.listed,
            only=inputs.only,
            look=partial(decoders.map, looks_like_picture),
        )
    for skipped in result.skipped:
        reporter.skip(skipped)
    for note in result.notes:
        reporter.note(note)
    reporter.info(f"{quantity(len(result.files), 'picture')} found")
    others, kinds = quantity(result.ignored, "other file"), _kinds(result.passed_over)
    install = _install(result.passed_over)
    if not result.files:
        among = f" among {others} ({kinds})" if kinds else ""
        raise InputError(
            f"no picture found{among}{install}; name a file or folder that holds some, "
            "or check --exclude"
        )
    if kinds:
        reporter.note(f"{others} passed over ({kinds}){install}")
    return result


def _kinds(passed_over: Mapping[str, int]) -> str:
    """`.cr2 4, .jxl 3, .mov 2, no suffix 1`."""
    named = [f"{kind} {count}" for kind, count in passed_over.items()]
    rest = sum([*passed_over.values()][_MOST_KINDS:])
    return ", ".join(named[:_MOST_KINDS] + ([f"others {rest}"] if rest else []))


def _install(passed_over: Mapping[str, int]) -> str:
    """What would read some of them, as the end of a line."""
    extras = {kind: extra for kind in passed_over if (extra := _extra(kind))}
    if not extras:
        return ""
    names = ",".join(dict.fromkeys(extras.values()))
    return f"; to read {', '.join(extras)}: pip install 'itae-cluster[{names}]'"
