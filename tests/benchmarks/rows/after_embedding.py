"""Clusters, map, folders and page of pictures whose embeddings are known."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.rows.million import fill
from benchmarks.timing import child
from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
from itae_cluster.core.run import open_run
from itae_cluster.pipeline import embed_pictures

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "After embedding"
_WARM, _COLD, _MANY = 15, 30, 60  # seconds allowed
_NOTE = (
    f"Wall time with start-up, as a share of what is allowed: {_WARM} s, {_COLD} s where the code "
    f"of UMAP is compiled, {_MANY} s for 50,000, which are tiny files with synthetic embeddings. "
    "Neither map nor thumbnails are known, but where it says so."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """A first run, one that compiles UMAP, a repeat, `--k auto`, and many pictures."""
    n, many = context.size(12_000, 300), context.size(50_000, 500)
    folder = context.folder
    if folder is None or len(context.sources) != n:
        folder = small_photos(context.sources, n, os.path.join(context.scratch, f"small{n}"))
    cache = os.path.join(context.scratch, f"cache-embedded{n}")
    if not os.path.isdir(cache):
        with open_run(context.reporter, CacheOptions(cache)) as run:
            embed_pictures(InputOptions((folder,)), ModelOptions("mini"), run)
    tiny = os.path.join(context.scratch, f"tiny{many}")
    tiny_cache = os.path.join(context.scratch, f"cache-tiny{many}")
    if not os.path.isdir(tiny_cache):
        fill(tiny, tiny_cache, many, context)
    with tempfile.TemporaryDirectory(dir=context.scratch) as temporary:
        copy = shutil.copytree(cache, os.path.join(temporary, "cache"))
        os.environ["NUMBA_CACHE_DIR"] = os.path.join(temporary, "numba")
        try:
            cold = _run(folder, 20, shutil.copytree(cache, os.path.join(temporary, "cold")))
            first = _run(folder, 20, copy)
            again = _run(folder, 30, copy)
            found = _run(folder, "auto", shutil.copytree(cache, os.path.join(temporary, "auto")))
            largest = _run(tiny, 100, shutil.copytree(tiny_cache, os.path.join(temporary, "many")))
        finally:
            del os.environ["NUMBA_CACHE_DIR"]
    shares = {
        f"{n:,} pictures, `--k 20 --out`": first / _WARM,
        f"{n:,} pictures, the same on a machine that has never compiled UMAP": cold / _COLD,
        f"{n:,} pictures, again with another k: map and thumbnails are known": again / _WARM,
        f"{many:,} pictures, `--k 100 --out`": largest / _MANY,
    }
    figures = [
        Figure(ROW, text, share, unit="", target=1, at_least=False, remark=_NOTE)
        for text, share in shares.items()
    ]
    text = f"{n:,} pictures, `--k auto` over `--k 20`"
    return [*figures, Figure(ROW, text, found / first, target=2, at_least=False)], []


def _run(folder: str, k: int | str, cache: str) -> float:
    """Seconds, with an output folder."""
    out = os.path.join(os.path.dirname(cache), "out")
    shutil.rmtree(out, ignore_errors=True)
    total: float = child("benchmarks.staged", folder, k, cache, out)["total"]
    return total
