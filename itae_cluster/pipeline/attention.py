"""Attention maps before and after ITAE, of a few pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.errors import DecodeError, InputError, ModelError
from itae_cluster.embedding.deferred import load_float32_encoder
from itae_cluster.embedding.embed import read_batches
from itae_cluster.paper import figures
from itae_cluster.paper.calibrate import mark_artifacts
from itae_cluster.pictures.decoders import Decoders
from itae_cluster.pictures.scan import find_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import InputOptions, ModelOptions
    from itae_cluster.core.types import Picture, Reporter, Skipped, TokenMeasures
    from itae_cluster.embedding.embed import Batch
    from itae_cluster.embedding.encoder import TorchEncoder

__all__ = ["MOST_PICTURES", "AttentionMaps", "draw_attention_maps"]

MOST_PICTURES = 24
_SHOWN_SIDE = 640  # pixels; maps are coarse, the picture beside them need not be


@dataclass(frozen=True)
class AttentionMaps:
    """What was drawn: one `TokenMap` a picture, and the model's metadata (θ among it)."""

    maps: tuple[figures.TokenMap, ...]
    model: Mapping[str, Any]
    skipped: tuple[Skipped, ...]


def draw_attention_maps(
    inputs: InputOptions, model: ModelOptions, out: str, *, reporter: Reporter
) -> AttentionMaps:
    """The job of `itae-cluster attention`: scan, measure, draw.

    Args:
        inputs: which pictures, at most `MOST_PICTURES`.
        model: which model, θ and size.
        out: the figure to write, `.png` or `.svg`.
        reporter: told of progress, skips, and of a θ that marks nothing.

    Raises:
        UsageError: if `out` has another suffix.
        OutputError: if `out` exists or cannot be written.
        InputError: if there are too many pictures, or none that can be read.
        ModelError: if the model cannot be had, or gives values that are not finite.
    """
    figures.check_target(out)
    found = find_pictures(inputs, None, reporter)
    if len(found.files) > MOST_PICTURES:
        raise InputError(
            f"{len(found.files)} pictures are too many for one sheet; "
            f"name {MOST_PICTURES} at most, and draw the others on another sheet"
        )
    encoder = load_float32_encoder(model, reporter)
    theta = encoder.metadata["theta"]
    maps: list[figures.TokenMap] = []
    skipped = list(found.skipped)
    norms: list[NDArray[np.float32]] = []
    batches = read_batches(
        found.files, encoder.size, batch_size=model.small_batch, reporter=reporter
    )
    with Decoders(reporter) as decoders:
        for batch in batches:
            skipped += batch.skipped
            if batch.paths:
                measures = _measure(encoder, batch)
                norms.append(measures.query_norms[:, 1:])
                maps += _maps(batch, measures, theta, decoders)
    _warn_of_no_marks(maps, np.concatenate(norms), encoder.metadata, reporter)
    reporter.progress("Drawing", 0, None)
    figures.draw_attention(out, maps, theta, subtitle=_subtitle(maps, encoder.metadata))
    return AttentionMaps(tuple(maps), encoder.metadata, tuple(skipped))


def _measure(encoder: TorchEncoder, batch: Batch) -> TokenMeasures:
    measures = encoder.measure(batch.pixels)
    values = (measures.query_norms, measures.attention, measures.attenuated)
    if not all(np.isfinite(value).all() for value in values):
        raise ModelError(
            "the model's attention is not finite: its weights are damaged; "
            "use other weights or fetch these again"
        )
    return measures


def _maps(
    batch: Batch, measures: TokenMeasures, theta: float | None, decoders: Decoders
) -> Iterator[figures.TokenMap]:
    if theta is None:
        marked = np.zeros(measures.query_norms.shape, dtype=bool)
    else:
        marked = mark_artifacts(measures.query_norms, theta)
    for row, (path, picture) in enumerate(zip(batch.paths, batch.pictures, strict=True)):
        yield figures.TokenMap(
            path=path,
            pixels=_decode_for_sheet(path, picture, decoders),
            width=picture.width,
            height=picture.height,
            attention=measures.attention[row],
            attenuated=measures.attenuated[row],
            artifacts=marked[row],
            registers=measures.registers,
        )


def _decode_for_sheet(path: str, picture: Picture, decoders: Decoders) -> NDArray[np.uint8]:
    """The picture, finer than the model saw it."""
    try:
        return decoders.decode(path, _SHOWN_SIDE).pixels
    except DecodeError:  # it has gone since
        return picture.pixels


def _warn_of_no_marks(
    maps: Sequence[figures.TokenMap],
    norms: NDArray[np.float32],
    model: Mapping[str, Any],
    reporter: Reporter,
) -> None:
    """Say why nothing is marked, where nothing is, and what to do."""
    theta = model["theta"]
    lowest, highest = norms.min(), norms.max()
    shown = f"query norms here: {lowest:.2f} to {highest:.2f}"
    if theta is None:
        reporter.warn(
            f"theta is off for {_model_name(model)}, so no token is marked; force one with "
            f"--theta N ({shown}), or find one with 'itae-cluster calibrate'"
        )
        return
    untouched = sum(not item.count for item in maps)
    if untouched:
        reporter.warn(
            f"theta {theta:g} marks no token in {untouched} of {len(maps)} pictures: all their "
            "query norms lie on one side of it, and the smaller group (Eq. 3) is empty "
            f"({shown}); find another with 'itae-cluster calibrate'"
        )


def _subtitle(maps: Sequence[figures.TokenMap], model: Mapping[str, Any]) -> str:
    grid = len(maps[0].grid(maps[0].artifacts))
    size = model["size"]
    text = f"{_model_name(model)} · {size} × {size} pixels · {grid} × {grid} patches"
    registers = maps[0].registers
    return f"{text} · {registers} registers" if registers else text


def _model_name(model: Mapping[str, Any]) -> str:
    return os.path.basename(model["weights"]) if model["name"] == "custom" else str(model["name"])
