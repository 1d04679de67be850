"""Pixels in memory to embeddings: against other libraries, the hardware's limit, and itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks import other_models
from benchmarks.figure import Figure
from benchmarks.pictures import pixels
from benchmarks.timing import Ratio, paired, seconds
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.core.options import ClusterOptions, ModelOptions, Precision, Reduction, Theta
from itae_cluster.embedding.encoder import TorchEncoder, load_encoder
from itae_cluster.paper.scores import score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.context import Context

ROW = "Embedding"
BATCH = 16
GFLOP = (
    12.1  # a picture of 224 × 224 through ViT-S/14: 2 · 22 M parameters · 257 tokens + attention
)
_SIDE, _TIMES = 2048, 20
MULTIPLIED = _TIMES * 2e-9 * _SIDE**3  # GFLOP
_LIMIT_NOTE = (
    "The limit is what one bfloat16 matrix product of 2048³ reaches here, at 12.1 GFLOP a picture: "
    "no softmax, no norm, no memory traffic between layers."
)
_MASK_NOTE = (
    "Not what a run does: with ITAE on, `--precision auto` embeds what lies near θ again in "
    "float32. Forced bfloat16, θ at the 95th percentile of norms that have one mode."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Ratios to transformers and timm, the share of the limit, and agreement with float32."""
    shots = pixels(context.sources, context.size(48, 16))
    pairs = context.size(5, 3)
    fast, exact = (_encoder(context, name) for name in (Precision.AUTO, Precision.FLOAT32))
    others = {
        "transformers": other_pass(
            other_models.of_transformers(), lambda y: y.last_hidden_state[:, 0]
        ),
        "timm": other_pass(other_models.of_timm(), lambda y: y),
    }
    figures = []
    for name, other in others.items():
        for label, encoder, target in (
            (f"{fast.metadata['precision']} (auto)", fast, 3.2),
            ("float32", exact, 1.0),
        ):
            ratio = paired(
                lambda o=other: o(shots), lambda e=encoder: in_batches(e.encode, shots), pairs
            )  # type: ignore[misc]
            text = f"pixels in memory, {label}: rate against the float32 eager model of {name}"
            figures.append(Figure(ROW, text, **ratio.fields(), target=target))
        cosine = cosines(other(shots), in_batches(exact.encode, shots)).min()
        text = f"the two float32 models agree, worst cosine against {name}"
        figures.append(Figure(ROW, text, float(cosine), unit="cosine", target=0.999))
    figures += [_share_of_limit(fast, shots, pairs), *_agreement(context, fast, exact)]
    return figures, []


def _encoder(context: Context, precision: Precision, theta: Theta = "auto") -> TorchEncoder:
    options = ModelOptions("mini", precision=precision, theta=theta)
    return load_encoder(options, context.reporter)


def other_pass(model: torch.nn.Module, cls: Callable[[Any], torch.Tensor]) -> Callable[..., Any]:
    """A library's model with the normalisation that belongs to it, batch by batch."""
    mean = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1) * 255
    std = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1) * 255

    def embed(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = (torch.from_numpy(part).permute(0, 3, 1, 2).float() - mean) / std
            vectors: NDArray[np.float32] = cls(model(images)).numpy()
            return vectors

    return lambda shots: in_batches(embed, shots)


def in_batches(
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]], shots: NDArray[np.uint8]
) -> NDArray[np.float32]:
    return np.concatenate(
        [embed(shots[start : start + BATCH]) for start in range(0, len(shots), BATCH)]
    )


def multiply() -> None:
    """The work of `MULTIPLIED`, by whose speed the limit is told."""
    matrix = torch.ones(_SIDE, _SIDE, dtype=torch.bfloat16)
    for _ in range(_TIMES):
        torch.mm(matrix, matrix)


def _share_of_limit(encoder: TorchEncoder, shots: NDArray[np.uint8], pairs: int) -> Figure:
    multiply()
    shares = []
    for _ in range(pairs):
        gflops = MULTIPLIED / seconds(multiply)
        rate = len(shots) / seconds(lambda: in_batches(encoder.encode, shots))
        shares.append(rate * GFLOP / gflops)
    text = "pixels in memory: share of the limit that the matrix product sets"
    return Figure(ROW, text, **Ratio.of(shares).fields(), target=0.75, remark=_LIMIT_NOTE)


def _agreement(context: Context, fast: TorchEncoder, exact: TorchEncoder) -> list[Figure]:
    """What lower precision does to embeddings, clusters and artifact masks."""
    shots = pixels(context.sources, min(len(context.sources), context.size(600, 32)))
    coarse, fine = in_batches(fast.encode, shots), in_batches(exact.encode, shots)
    worst = float(cosines(coarse, fine).min())
    k = min(10, len(shots) // 3)
    name = fast.metadata["precision"]
    same = [
        Figure(
            ROW,
            f"{name} and float32, the same clusters ({label}, k = {k})",
            agreement_of_clusters(coarse, fine, ClusterOptions(k=k, reduce=reduce)),
            unit="ARI",
            target=0.97,
        )
        for label, reduce in (("K-Means", Reduction.NONE), ("default recipe", Reduction.UMAP))
    ]
    return [
        Figure(ROW, f"{name} and float32, worst cosine", worst, unit="cosine", target=0.999),
        *same,
        _masks(context, exact, shots[: context.size(100, 16)]),
    ]


def agreement_of_clusters(
    one: NDArray[np.float32], two: NDArray[np.float32], options: ClusterOptions
) -> float:
    labels = [cluster_vectors(vectors, options).labels for vectors in (one, two)]
    return score(labels[0], labels[1]).ari


def _masks(context: Context, exact: TorchEncoder, shots: NDArray[np.uint8]) -> Figure:
    norms = _norms(exact, shots)
    theta = float(np.quantile(norms, 0.95))
    coarse = _encoder(context, Precision.BFLOAT16, theta=round(theta, 4))
    equal = float(np.mean((_norms(coarse, shots) > theta) == (norms > theta)))
    text = "bfloat16 forced with ITAE on: share of equal artifact masks"
    return Figure(ROW, text, equal, unit="of tokens", target=0.999, remark=_MASK_NOTE)


def _norms(encoder: TorchEncoder, shots: NDArray[np.uint8]) -> NDArray[np.float32]:
    parts: Sequence[NDArray[np.float32]] = [
        encoder.measure(shots[start : start + BATCH]).query_norms
        for start in range(0, len(shots), BATCH)
    ]
    return np.concatenate(parts)


def cosines(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    one, two = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, two))
    cosines: NDArray[np.float32] = (one * two).sum(axis=1)
    return cosines


__all__ = [
    "GFLOP",
    "MULTIPLIED",
    "ROW",
    "agreement_of_clusters",
    "cosines",
    "in_batches",
    "measure",
    "multiply",
    "other_pass",
]
