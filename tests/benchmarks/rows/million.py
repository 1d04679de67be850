"""The main job on a million pictures that the cache knows."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figure import Figure
from benchmarks.scaling import blobs
from benchmarks.timing import child
from itae_cluster.core.cache import Cache, file_in, open_cache
from itae_cluster.core.files import FileDigest
from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
from itae_cluster.core.run import Run
from itae_cluster.embedding.vector_cache import VectorCache
from itae_cluster.pipeline.embed import embed_pictures

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "fill", "measure"]

ROW = "A million"
_PART = 10_000
_MINUTES = 20
_LONG_AGO = time.time() - 86_400
_NOTE = (
    "Tiny files with synthetic embeddings put into the cache beforehand; K-Means, k = 100. Time "
    f"as a share of {_MINUTES} minutes."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Peak memory and time, printing to standard output and writing an output folder."""
    n = context.size(1_000_000, 20_000)
    folder = os.path.join(context.scratch, f"million{n}")
    cache = os.path.join(context.scratch, f"cache-million{n}")
    if not os.path.isdir(cache):
        fill(folder, cache, n, context)
    figures = []
    out = os.path.join(context.scratch, "out-million")
    shutil.rmtree(out, ignore_errors=True)
    for text, arguments in (("to standard output", []), ("with `--out`, hard links", [out])):
        found = child("benchmarks.staged", folder, 100, cache, *arguments)
        name = f"{found['pictures']:,} cached pictures, {text}"
        share = found["total"] / 60 / _MINUTES
        figures.append(
            Figure(ROW, f"{name}: time", share, unit="", target=1, at_least=False, remark=_NOTE)
        )
        peak = found["peak"] / 1e9
        figures.append(
            Figure(ROW, f"{name}: peak memory", peak, unit="GB", target=8, at_least=False)
        )
    shutil.rmtree(out, ignore_errors=True)
    return figures, []


def fill(folder: str, cache_folder: str, n: int, context: Context) -> None:
    """N small files, and a cache that holds a vector for each."""
    first = os.path.join(folder, "000")
    os.makedirs(first, exist_ok=True)
    paths = [_tiny(folder, number) for number in range(n)]
    with open_cache(CacheOptions(cache_folder), context.reporter) as cache:
        metadata = embed_pictures(  # one real picture, so that the cache knows the recipe
            InputOptions((paths[0],)),
            ModelOptions("mini"),
            Run(reporter=context.reporter, cache=cache),
        ).metadata
    vectors, _ = blobs(n)
    with Cache(file_in(cache_folder), context.reporter) as cache:
        shelf = VectorCache(cache, metadata, vectors.shape[1])
        for start in range(0, n, _PART):
            part = slice(start, start + _PART)
            shelf.keep([_known(path) for path in paths[part]], vectors[part])
        shelf.close()


def _tiny(folder: str, number: int) -> str:
    """A picture of 8 × 8 pixels, uncompressed, like no other."""
    path = os.path.join(folder, f"{number // 1000:03d}", f"{number:07d}.ppm")
    if not os.path.exists(path):
        if number % 1000 == 0:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        pixels = np.random.default_rng(number).bytes(192)
        with open(path, "wb") as file:
            file.write(b"P6 8 8 255\n" + pixels)
        os.utime(path, (_LONG_AGO, _LONG_AGO))
    return path


def _known(path: str) -> FileDigest:
    status = os.stat(path)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    return FileDigest(os.path.abspath(path), status.st_size, status.st_mtime_ns, digest)
