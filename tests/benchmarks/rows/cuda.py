"""Files to vectors on CUDA, against the model alone and the decoders alone; see `--cuda`."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks.figure import Figure
from benchmarks.instant import InstantEncoder
from benchmarks.pictures import pixels, small_photos
from benchmarks.timing import Ratio, child, paired, seconds
from itae_cluster.core.cache import Cache
from itae_cluster.core.options import DeviceName, ModelOptions
from itae_cluster.embedding.compilation import CompiledModel
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.encoder import TorchEncoder, load_encoder
from itae_cluster.pictures.decoders import decoder_count
from itae_cluster.pictures.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.context import Context
    from itae_cluster.core.types import Encoder

__all__ = ["ROW", "measure"]

ROW = "CUDA"
_BATCHES = 40
_SHARE_NOTE = (
    "The smaller of two rates of the same run: the model's with pixels in memory, and that of all "
    "decoders with an encoder that returns at once."
)
_START_NOTE = "Importing torch, loading the weights and the first batch, in a process of its own."


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """The share of what is possible, what lateness and compiling gain, what the start costs."""
    if not torch.cuda.is_available():
        raise SystemExit("the row 'cuda' needs a CUDA device")
    count = context.size(12_000, 500)
    folder = small_photos(context.sources, count, os.path.join(context.scratch, f"small{count}"))
    files = scan([folder]).files[:count]
    options = ModelOptions("mini", device=DeviceName.CUDA)
    encoder = load_encoder(options, context.reporter)
    assert isinstance(encoder, TorchEncoder)
    nowhere = Cache(None, context.reporter)

    def from_files(by: Encoder) -> None:
        embed_files(files, options, by, cache=nowhere, reporter=context.reporter)

    size = options.batch_on("cuda")
    shots = pixels(files, size)
    rate = partial(_rate, size * _BATCHES)
    late, at_once = partial(_in_turn, encoder, shots), partial(_one_by_one, encoder, shots)
    late()
    from_files(encoder)
    shares = []
    for _ in range(context.size(3, 1)):
        model = rate(late)
        decoders = _rate(count, partial(from_files, InstantEncoder()))
        shares.append(_rate(count, partial(from_files, encoder)) / min(model, decoders))
    pairs = context.size(5, 2)
    gain = paired(at_once, late, pairs)
    eager = rate(late)
    start = child("benchmarks.cuda_start")["seconds"]
    figures = [
        Figure(
            ROW,
            f"{count:,} small JPEGs, {decoder_count()} decoders: rate against what is possible",
            **Ratio.of(shares).fields(),
            target=0.6,
            remark=_SHARE_NOTE,
        ),
        Figure(ROW, "fetching one batch late: gain", **gain.fields()),
        Figure(
            ROW,
            f"the start, as a share of the model's time for {count:,} pictures",
            start * eager / count,
            remark=_START_NOTE,
        ),
        *_compiled(context, encoder, late),
    ]
    return figures, []


def _compiled(context: Context, encoder: TorchEncoder, late: Callable[[], None]) -> list[Figure]:
    plain, compiled = encoder.module, CompiledModel(encoder.module, context.reporter)

    def switched() -> None:
        encoder._forward = compiled
        late()
        encoder._forward = plain

    took = seconds(switched) - seconds(late)
    blocks = plain.backbone.config.depth
    gain = paired(late, switched, context.size(5, 2))
    return [
        Figure(ROW, "compiled: rate against the model as it is", **gain.fields(), target=1.2),
        Figure(
            ROW,
            "compiling a block: time as a share of what the rule assumes (4 s)",
            took / blocks / 4,
            target=1,
            at_least=False,
        ),
    ]


def _rate(pictures: int, call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return pictures / (time.perf_counter() - start)


def _in_turn(encoder: TorchEncoder, shots: NDArray[np.uint8]) -> None:
    """Batches as a run has them: one on its way while another is computed."""
    before = None
    for _ in range(_BATCHES):
        fetch = encoder.begin(shots)
        if before is not None:
            before()
        before = fetch
    if before is not None:
        before()


def _one_by_one(encoder: TorchEncoder, shots: NDArray[np.uint8]) -> None:
    for _ in range(_BATCHES):
        encoder.encode(shots)
