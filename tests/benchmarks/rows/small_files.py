"""Small JPEGs without a model: how many decoders one main process could feed."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figure import Figure
from benchmarks.instant import InstantEncoder
from benchmarks.pictures import small_photos
from benchmarks.timing import Ratio
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.cache import Cache
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.embed import embed_files
from itae_cluster.pictures.decode import decode
from itae_cluster.pictures.scan import scan
from itae_cluster.preview.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Small files"
_NOTE = (
    "Processor time of a decoder for a picture of 256 × 256 pixels over that of the main process, "
    "all its threads, for each that is added; an encoder that returns at once. More decoders than "
    "that would wait for the main process, unless its threads work side by side, as the cache's do."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """A decoder's processor time over that of the main process, and of its main thread."""
    count = context.size(4000, 200)
    folder = small_photos(context.sources, count, os.path.join(context.scratch, f"small{count}"))
    files = scan([folder]).files[:count]
    figures = []
    for text, cached, thumbnails in (
        ("without a cache", False, False),
        ("with a new cache", True, False),
        ("without a cache, with thumbnails for the preview", False, True),
    ):
        times = [_Times.of(files, cached, thumbnails) for _ in range(context.size(3, 1))]
        process = Ratio.of([each.decoder / each.process for each in times])
        name = f"decoders that one main process could feed, {text}"
        figures.append(
            Figure(ROW, name, **process.fields(), unit="decoders", target=16, remark=_NOTE)
        )
        if not cached and not thumbnails:
            thread = Ratio.of([each.decoder / each.thread for each in times])
            name = "a decoder's processor time over the main thread's, a picture"
            figures.append(Figure(ROW, name, **thread.fields()))
    return figures, []


class _Times(NamedTuple):
    """Seconds of processor time a picture."""

    decoder: float
    process: float
    thread: float

    @classmethod
    def of(cls, files: Sequence[str], cached: bool, thumbnails: bool) -> _Times:
        """What each picture adds: a long run less a short one, so that starting does not count."""
        some = files[:: max(1, len(files) // 300)]
        start = time.process_time()
        for path in some:
            decode(path, InstantEncoder.size, with_thumbnail=thumbnails)
        decoder = (time.process_time() - start) / len(some)
        few = len(files) // 8
        process, thread = (
            (long - short) / (len(files) - few)
            for long, short in zip(
                _embed(files, cached, thumbnails),
                _embed(files[:few], cached, thumbnails),
                strict=True,
            )
        )
        return cls(decoder, process, thread)


def _embed(files: Sequence[str], cached: bool, thumbnails: bool) -> tuple[float, float]:
    """Processor time of this process, and of this thread, in seconds."""
    reporter = ConsoleReporter(quiet=True, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(os.path.join(folder, "cache.sqlite") if cached else None, reporter)
        start = time.process_time(), time.thread_time()
        embed_files(
            *(files, ModelOptions(), InstantEncoder()),
            cache=cache,
            on_picture=Thumbnails().keep if thumbnails else None,
            reporter=reporter,
        )
        took = time.process_time() - start[0], time.thread_time() - start[1]
        cache.close()
    return took
