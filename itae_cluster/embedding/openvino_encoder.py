"""Pixels to embeddings on a CPU, by OpenVINO: without torch, unless the weights need it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.options import Engine, Precision
from itae_cluster.embedding.description import check_size, describe_model, describe_recipe
from itae_cluster.embedding.mixed import MixedEncoder
from itae_cluster.embedding.precision import HINTS, choose_precision, is_bfloat16_fast
from itae_cluster.model.checkpoint import load_weights
from itae_cluster.model.graph import build_graph
from itae_cluster.model.graph_store import find_graph, keep_graph
from itae_cluster.model.openvino_package import import_openvino

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.model.acquire import ModelFile
    from itae_cluster.model.config import DINOv2Config

__all__ = ["OpenVINOEncoder", "load_openvino_encoder"]

_MOST = 4  # pictures a request: more were no faster


def load_openvino_encoder(
    options: ModelOptions,
    reporter: Reporter,
    *,
    located: ModelFile,
    fast_bfloat16: Callable[[Engine], bool] = is_bfloat16_fast,
) -> Encoder:
    """As `encoder.load_encoder`, for a CPU.

    Raises:
        ModelError: if the model, its weights or its size cannot be had.
        ImportError: if OpenVINO does not run on this machine.
        RuntimeError: if it cannot compile the model.
    """
    check_size(options.side)
    graph, config = _find_or_build(located, options.side)
    theta, metadata = describe_model(options.theta, located, config, reporter)
    precision = choose_precision(
        options.precision,
        "cpu",
        itae=theta is not None,
        fast_bfloat16=partial(fast_bfloat16, Engine.OPENVINO),
    )
    build = partial(
        OpenVINOEncoder,
        graph,
        theta=theta,
        size=options.side,
        dim=config.embed_dim,
        metadata=metadata,
    )
    if precision is not Precision.MIXED:
        return build(precision=precision)
    fast = build(precision=Precision.BFLOAT16)
    return MixedEncoder(fast, partial(build, precision=Precision.FLOAT32), reporter)


def _find_or_build(located: ModelFile, size: int) -> tuple[Any, DINOv2Config]:
    kept = find_graph(located.sha256, size)
    if kept is not None and (located.variant is None or located.variant.config == kept.config):
        return import_openvino().Core().read_model(kept.path), kept.config
    weights, config = load_weights(
        located.path, located.variant.config if located.variant else None
    )
    graph = build_graph(weights, config, size=size)
    keep_graph(graph, config, located.sha256, size)
    return graph, config


class OpenVINOEncoder:
    """An `Encoder` (see `types`) around a graph that OpenVINO compiles for the CPU.

    Args:
        graph: what `graph.build_graph` makes.
        theta: where ITAE splits the tokens; None for stock DINOv2.
        size: side of the square input in pixels, that of the graph.
        dim: D, the length of an embedding.
        precision: float32 or bfloat16.
        metadata: what is known of the weights; the rest is added to it.

    Raises:
        RuntimeError: if the graph cannot be compiled.
    """

    def __init__(
        self,
        graph: Any,
        *,
        theta: float | None,
        size: int,
        dim: int,
        precision: Precision,
        metadata: Mapping[str, Any],
    ) -> None:
        ov = import_openvino()
        self._size = size
        self._dim = dim
        self._theta = np.array(-np.inf if theta is None else theta, dtype=np.float32)
        compiled = ov.Core().compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[precision],
                "PERFORMANCE_HINT": "THROUGHPUT",
                "ENABLE_CPU_PINNING": False,  # the decoders want the cores, too
            },
        )
        self._queue = ov.AsyncInferQueue(compiled)
        self._metadata = {
            **metadata,
            **describe_recipe(
                theta=theta,
                size=size,
                device="cpu",
                engine="openvino",
                precision=precision.value,
                dim=dim,
            ),
        }

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""
        return self._dim

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return self._size

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As `TorchEncoder.metadata`, with `openvino` for the engine."""
        return self._metadata

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1.

        Raises:
            RuntimeError: if OpenVINO fails.
        """
        return self.encode_with_distance(pixels)[0]

    def encode_with_distance(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `encode`, and (B,) the `distance_to_theta`; 1 where ITAE is off.

        Raises:
            RuntimeError: if OpenVINO fails.
        """
        vectors = np.empty((len(pixels), self._dim), dtype=np.float32)
        distances = np.empty(len(pixels), dtype=np.float32)

        def keep(request: Any, rows: slice) -> None:
            vectors[rows] = request.get_output_tensor(0).data
            distances[rows] = request.get_output_tensor(1).data

        self._queue.set_callback(keep)
        step = max(1, min(_MOST, -(-len(pixels) // len(self._queue))))
        for start in range(0, len(pixels), step):
            rows = slice(start, start + step)
            self._queue.start_async([pixels[rows], self._theta], rows)
        self._queue.wait_all()
        return vectors, distances
