"""The main job over many small pictures: where the time goes, and what a repeat costs."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.timing import child

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Whole job"
_STAGES = ("Loading the model", "Embedding")


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Share of the embedding pass; a repeat with another k, with and without an output folder."""
    count = context.size(10_000, 300)
    folder = small_photos(context.sources, count, os.path.join(context.scratch, f"small{count}"))
    cache = os.path.join(context.scratch, "cache-whole-job")
    shutil.rmtree(cache, ignore_errors=True)
    outs = [os.path.join(context.scratch, f"out{number}") for number in range(3)]
    for out in outs:
        shutil.rmtree(out, ignore_errors=True)
    first = child("benchmarks.staged", folder, 20, cache, outs[0])
    repeat = child("benchmarks.staged", folder, 30, cache, outs[1])
    bare = child("benchmarks.staged", folder, 40, cache)
    name = f"{count:,} pictures"
    share = sum(first["seconds"].get(stage, 0.0) for stage in _STAGES) / first["total"]
    return [
        Figure(ROW, f"{name}: share of embedding and loading", share, unit="", target=0.9),
        Figure(
            ROW,
            f"{name}: first run against a repeat with another k, both with `--out`",
            first["total"] / repeat["total"],
            target=20,
        ),
        Figure(
            ROW,
            f"{name}: first run against a repeat that prints to standard output",
            first["total"] / bare["total"],
            target=20,
        ),
    ], []
