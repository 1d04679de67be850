"""OpenVINO against torch on a CPU, with ITAE off and on, for ViT-S/14 and ViT-B/14."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks import other_models
from benchmarks.figure import Figure
from benchmarks.pictures import pixels
from benchmarks.rows.embedding import (
    GFLOP,
    MULTIPLIED,
    agreement_of_clusters,
    cosines,
    in_batches,
    multiply,
    other_pass,
)
from benchmarks.timing import Ratio, seconds
from itae_cluster.core.options import ClusterOptions, Engine, ModelOptions, Precision, Theta
from itae_cluster.embedding.engines import open_encoder
from itae_cluster.model.acquire import locate
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2
from itae_cluster.model.registry import AUTO, MINI

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from benchmarks.context import Context
    from itae_cluster.core.types import Encoder

__all__ = ["ROW", "measure"]

ROW = "Engines"
_GFLOP = {"ViT-S/14": GFLOP, "ViT-B/14": 46.3}  # a picture of 224 × 224, products alone
_VIT_B = DINOv2Config(768, 12, grid=16)
_PLANTED = slice(3, None, 25)  # every 25th patch
_LIMIT_NOTE = (
    "The limit is what one bfloat16 matrix product of 2048³ reaches here, at 12.1 (S) and 46.3 (B) "
    "GFLOP a picture. The ViT-S/14 is mini, the ViT-B/14 has random weights."
)
_ITAE_NOTE = (
    "ViT-B/14 with random weights and one patch in 25 planted to have a long query, θ in the gap: "
    "no picture had to be embedded again."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Shares of the limit, ratios between engines, and whether they agree."""
    shots = pixels(context.sources, context.size(48, 16))
    pairs = context.size(3, 1)
    figures = []
    weights = {"ViT-S/14": None, "ViT-B/14": _planted(context.scratch)}
    for name, file in weights.items():
        figures += _rates(context, name, file, shots if file is None else shots[::2], pairs)
    figures += _with_itae(context, weights["ViT-B/14"], shots[::2], pairs)
    return figures + _agreement(context), []


def _rates(
    context: Context, name: str, file: str | None, shots: NDArray[np.uint8], pairs: int
) -> list[Figure]:
    load = partial(_encoder, context, file, theta=None)
    passes = {
        "openvino": _pass(load(Engine.OPENVINO, Precision.BFLOAT16), shots),
        "torch": _pass(load(Engine.TORCH, Precision.BFLOAT16), shots),
        "float32": _pass(load(Engine.TORCH, Precision.FLOAT32), shots),
    }
    if file is None:
        eager = other_pass(other_models.of_transformers(), lambda y: y.last_hidden_state[:, 0])
        passes["transformers"] = partial(eager, shots)
    rounds = _in_turn({**passes, "limit": multiply}, pairs)
    work = len(shots) * _GFLOP[name]

    def figure(text: str, shares: list[float], target: float | None = None) -> Figure:
        whole = f"{name}, bfloat16: {text}"
        return Figure(ROW, whole, **Ratio.of(shares).fields(), target=target, remark=_LIMIT_NOTE)

    limits = [MULTIPLIED / each["limit"] for each in rounds]
    share = {
        engine: [work / each[engine] / limit for each, limit in zip(rounds, limits, strict=True)]
        for engine in ("openvino", "torch")
    }
    found = [
        figure("OpenVINO's share of the limit", share["openvino"], 0.8),
        figure("torch's share of the limit", share["torch"]),
        figure("OpenVINO against torch", _ratios(rounds, "torch", "openvino"), 1.25),
        figure("OpenVINO against torch in float32", _ratios(rounds, "float32", "openvino")),
    ]
    if "transformers" in passes:
        text = "OpenVINO against the float32 eager model of transformers"
        found.append(figure(text, _ratios(rounds, "transformers", "openvino"), 5.5))
    return found


def _with_itae(
    context: Context, file: str | None, shots: NDArray[np.uint8], pairs: int
) -> list[Figure]:
    exact = _encoder(context, file, Engine.TORCH, Precision.FLOAT32, theta=0.0)
    norms = exact.measure(shots[:8]).query_norms  # type: ignore[attr-defined]
    low, high = np.quantile(norms, 0.95), np.quantile(norms, 0.975)
    theta = round(float(low + high) / 2, 3)
    figures = []
    for engine in (Engine.OPENVINO, Engine.TORCH):
        passes = {
            precision.value: _pass(_encoder(context, file, engine, precision, theta=theta), shots)
            for precision in (Precision.MIXED, Precision.FLOAT32)
        }
        ratio = Ratio.of(_ratios(_in_turn(passes, pairs), "float32", "mixed"))
        text = f"ViT-B/14, ITAE on, {engine.value}: mixed (auto) against float32"
        target = 2.2 if engine is Engine.OPENVINO else None
        figures.append(Figure(ROW, text, **ratio.fields(), target=target, remark=_ITAE_NOTE))
    return figures


def _agreement(context: Context) -> list[Figure]:
    """Of the default on this machine with torch in float32."""
    shots = pixels(context.sources, min(len(context.sources), context.size(600, 32)))
    fast = _encoder(context, None, Engine.OPENVINO, Precision.BFLOAT16)
    exact = _encoder(context, None, Engine.TORCH, Precision.FLOAT32)
    one, other = (in_batches(each.encode, shots) for each in (fast, exact))
    k = min(10, len(shots) // 3)
    same = agreement_of_clusters(one, other, ClusterOptions(k=k))
    about = "OpenVINO in bfloat16 and torch in float32"
    worst = float(cosines(one, other).min())
    return [
        Figure(ROW, f"{about}, worst cosine", worst, unit="cosine", target=0.999),
        Figure(ROW, f"{about}, the same clusters (k = {k})", same, unit="ARI", target=0.97),
    ]


def _encoder(
    context: Context,
    file: str | None,
    engine: Engine,
    precision: Precision,
    theta: Theta = "auto",
) -> Encoder:
    options = ModelOptions(
        model=MINI if file is None else AUTO,
        weights=file,
        precision=precision,
        engine=engine,
        theta=theta,
    )
    located = locate(options.model, weights=file, offline=True, reporter=context.reporter)
    return open_encoder(options, context.reporter, located=located)


def _pass(encoder: Encoder, shots: NDArray[np.uint8]) -> Callable[[], object]:
    return partial(in_batches, encoder.encode, shots)


def _in_turn(passes: Mapping[str, Callable[[], object]], pairs: int) -> list[dict[str, float]]:
    """Seconds of each, `pairs` times one after the other, after a first time that is left out."""
    for call in passes.values():
        call()
    return [{name: seconds(call) for name, call in passes.items()} for _ in range(pairs)]


def _ratios(rounds: list[dict[str, float]], other: str, ours: str) -> list[float]:
    return [each[other] / each[ours] for each in rounds]


def _planted(scratch: str) -> str:
    """A file of a ViT-B/14 with random weights whose query norms come in two groups."""
    path = os.path.join(scratch, "planted-vitb14.pth")
    torch.manual_seed(0)
    state = DINOv2(_VIT_B).state_dict()
    direction = torch.nn.functional.normalize(torch.randn(_VIT_B.embed_dim), dim=0)
    state["pos_embed"][0, 1:][_PLANTED] += 30 * direction
    last = f"blocks.{_VIT_B.depth - 1}.attn.qkv.weight"
    state[last][0 : _VIT_B.embed_dim : 64] += direction
    torch.save(state, path)
    return path
