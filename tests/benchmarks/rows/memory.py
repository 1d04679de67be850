"""Peak memory against the number of pictures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.timing import child

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Memory"
_NOTE = "Peak resident size of the whole process less n·D·4 bytes of vectors; without a cache."


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """What a run takes beyond the embeddings, at three sizes."""
    figures = []
    for count in (1_000, 10_000, 50_000) if not context.quick else (100, 300):
        folder = os.path.join(context.scratch, f"small{count}")
        small_photos(context.sources, count, folder)
        found = child("benchmarks.staged", folder, 20, "none")
        beyond = (found["peak"] - 4 * found["pictures"] * found["dim"]) / 1e9
        text = f"{count:,} pictures, mini, CPU: peak beyond the embeddings"
        figures.append(
            Figure(ROW, text, beyond, unit="GB", target=1.5, at_least=False, remark=_NOTE)
        )
    return figures, []
