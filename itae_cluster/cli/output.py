"""Results on standard output, one format a function; names survive all of them byte for byte."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.documents import path_record, to_json
from itae_cluster.core.errors import OutputError, StrictError
from itae_cluster.core.text import quantity, to_tsv
from itae_cluster.core.types import Skipped
from itae_cluster.results.manifest import to_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itae_cluster.core.options import OutputOptions
    from itae_cluster.core.types import Placement
    from itae_cluster.pipeline import SortResult
    from itae_cluster.pipeline.find import Shown

__all__ = [
    "Format",
    "check_kept",
    "check_strict",
    "write_found",
    "write_pairs",
    "write_placements",
    "write_plan",
    "write_result",
]


class Format(StrEnum):
    """How results look on standard output."""

    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PATHS0 = "paths0"


def write_result(result: SortResult, chosen: Format) -> None:
    """Print one record a picture, sorted by path (`paths0`: cluster by cluster)."""
    writers: dict[Format, Callable[[SortResult], Iterator[bytes]]] = {
        Format.TSV: _tsv,
        Format.JSONL: _jsonl,
        Format.JSON: _json,
        Format.PATHS0: _paths0,
    }
    _write(writers[chosen](result))


def write_placements(placements: Iterable[Placement], chosen: Format) -> None:
    """Print one record a picture as it comes, in a format of lines."""
    _write(_tsv_lines(placements) if chosen is Format.TSV else _json_lines(placements))


def write_plan(placements: Iterable[Placement], output: OutputOptions) -> None:
    """Print what a run would do: action, source and target, tab-separated."""
    action = str(output.action).encode()
    _write(
        b"%s\t%s\t%s\n" % (action, to_tsv(source), to_tsv(os.path.join(output.out, destination)))
        for item in placements
        for source, destination in ((item.source, item.destination), *item.sidecars)
    )


def write_pairs(word: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Print what a change would do: a word, from what, to what, tab-separated."""
    _write(b"%s\t%s\t%s\n" % (word.encode(), to_tsv(old), to_tsv(new)) for old, new in pairs)


def write_found(found: Sequence[Shown], *, null: bool, json: bool) -> None:
    """Print the path of each picture that was found, or as JSON how sure that is, too."""
    if json:
        records = [
            {
                **path_record("path", item.path),
                "share": round(item.share, 2),
                "by": "cluster" if item.by_cluster else "picture",
            }
            for item in found
        ]
        _write(iter([to_json(records, indent=2).encode() + b"\n"]))
        return
    end = b"\0" if null else b"\n"
    _write(os.fsencode(item.path) + end for item in found)


def _tsv(result: SortResult) -> Iterator[bytes]:
    return _tsv_lines(result.placements)


def _tsv_lines(placements: Iterable[Placement]) -> Iterator[bytes]:
    for item in placements:
        yield b"%s\t%d\n" % (to_tsv(item.source), item.cluster)


def _jsonl(result: SortResult) -> Iterator[bytes]:
    return _json_lines(result.placements, placed=result.placed)


def _json_lines(placements: Iterable[Placement], *, placed: bool = False) -> Iterator[bytes]:
    for item in placements:
        yield to_json(to_record(item, placed=placed)).encode() + b"\n"


def _json(result: SortResult) -> Iterator[bytes]:
    yield to_json(result.document(), indent=2).encode() + b"\n"


def _paths0(result: SortResult) -> Iterator[bytes]:
    noise_last = sorted(result.placements, key=lambda item: (item.cluster < 0, item.cluster))
    for item in noise_last:
        yield os.fsencode(item.source) + b"\0"


def _write(chunks: Iterator[bytes]) -> None:
    stdout = sys.stdout.buffer
    for chunk in chunks:
        stdout.write(chunk)
    stdout.flush()


def check_kept(kept: Sequence[Skipped], reporter: ConsoleReporter) -> None:
    """Raise `OutputError` where `move` had to leave originals, and name them."""
    for original in kept:
        reporter.warn(f"{original.path} is still there: {original.reason}")
    if kept:
        raise OutputError(
            f"{quantity(len(kept), 'original')} could not be removed and now exist twice; remove "
            "the cause and run 'itae-cluster apply --resume', or take everything back with "
            "'itae-cluster undo'"
        )


def check_strict(strict: bool, skipped: Sequence[Skipped]) -> None:
    """Raise `StrictError` where `--strict` is given and something was skipped."""
    if strict and skipped:
        raise StrictError(f"{quantity(len(skipped), 'input')} skipped (--strict)")
