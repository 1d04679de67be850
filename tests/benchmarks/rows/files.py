"""From 12-megapixel JPEGs: the rate against the same pixels in memory; what reducing changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from benchmarks.figure import Figure
from benchmarks.pictures import large_photos
from benchmarks.timing import paired
from itae_cluster.core.cache import Cache
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.encoder import load_encoder
from itae_cluster.pictures import decode as decoding
from itae_cluster.pictures.scan import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.context import Context
    from itae_cluster.core.types import Encoder, Picture

__all__ = ["ROW", "decode_whole", "measure"]

_decode = decoding.decode

ROW = "From files"
_NOTE = (
    "Reading a 12-megapixel JPEG at reduced scale still means decoding its whole Huffman stream, "
    "which takes about as much processor time here as the model takes for the picture; with two "
    "cores that both share, the rate from files comes to about the half."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Rates and agreement."""
    count = context.size(48, 8)
    folder = large_photos(context.sources, count, os.path.join(context.scratch, "large"))
    files = scan([folder]).files[:count]
    encoder = load_encoder(ModelOptions("mini"), context.reporter)
    nowhere = Cache(None, context.reporter)
    shots = np.stack([decoding.decode(path, encoder.size).pixels for path in files])

    def from_files() -> NDArray[np.float32]:
        found = embed_files(
            files,
            ModelOptions("mini", batch_size=16),
            encoder,
            cache=nowhere,
            reporter=context.reporter,
        )
        return found.vectors

    def in_memory() -> None:
        for start in range(0, count, 16):
            encoder.encode(shots[start : start + 16])

    def whole() -> NDArray[np.float32]:
        with mock.patch.object(decoding, "decode", decode_whole):
            return from_files()

    pairs = context.size(5, 2)
    rate = paired(in_memory, from_files, pairs)
    gain = paired(whole, from_files, pairs)
    worst = float((whole() * from_files()).sum(axis=1).min())
    small = _small(context.sources, encoder)
    return [
        Figure(
            ROW,
            "12-megapixel JPEGs: rate against the same pixels in memory",
            **rate.fields(),
            target=0.8,
            remark=_NOTE,
        ),
        Figure(ROW, "12-megapixel JPEGs: gain by reduced scale", **gain.fields()),
        Figure(
            ROW,
            "reduced against whole decoding, worst cosine",
            worst,
            unit="cosine",
            target=0.999,
        ),
        Figure(
            ROW,
            "photographs as they are, reduced against whole, worst cosine",
            small,
            unit="cosine",
            target=0.999,
        ),
    ], []


def decode_whole(path: str, size: int, max_pixels: int) -> Picture:
    """Without reduction; by name, because it runs in other processes."""
    with mock.patch.object(decoding, "_DRAFT_RATIO", 1000):
        return _decode(path, size, max_pixels)


def _small(files: Sequence[str], encoder: Encoder) -> float:
    """The worst cosine over ordinary photographs; small ones are decoded whole either way."""
    some = files[:: max(1, len(files) // 100)]
    reduced = np.stack([decoding.decode(path, encoder.size).pixels for path in some])
    with mock.patch.object(decoding, "_DRAFT_RATIO", 1000):
        whole = np.stack([decoding.decode(path, encoder.size).pixels for path in some])
    return float((encoder.encode(reduced) * encoder.encode(whole)).sum(axis=1).min())
