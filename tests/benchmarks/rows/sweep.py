"""What a sweep of θ costs: one pass with many values against one plain embedding pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import pixels
from benchmarks.timing import paired
from itae_cluster.core.options import ModelOptions, Precision, parse_range
from itae_cluster.embedding.encoder import load_encoder
from itae_cluster.model.itae import Settings

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Sweep"


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """The cost of `calibrate --sweep` in plain passes."""
    options = ModelOptions("mini", precision=Precision.FLOAT32)
    encoder = load_encoder(options, context.reporter)
    shots = pixels(context.sources, context.size(64, 16))
    settings = [Settings(theta) for theta in parse_range("1:8:0.5")]
    ratio = paired(
        lambda: encoder.survey(shots, settings),
        lambda: encoder.encode(shots),
        context.size(7, 3),
    )
    text = f"`calibrate --sweep` with {len(settings)} values of θ: cost of a plain pass"
    return [Figure(ROW, text, **ratio.fields(), target=1.5, at_least=False)], []
