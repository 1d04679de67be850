"""`dinov2` and `itae` once more, without torch: a graph of OpenVINO's operations.

Built from weights under official names, so nothing is traced. `tests/model/test_graph.py` holds it
against the torch modules. Axis key: see `dinov2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.model.config import HEAD_DIM, IMAGENET_MEAN, IMAGENET_STD, PATCH
from itae_cluster.model.openvino_package import import_openvino

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from itae_cluster.model.config import DINOv2Config

__all__ = ["VERSION", "build_graph", "interpolate_positions"]

VERSION = 1
"""Raised with every change to what a graph computes, so that kept ones are built anew."""

_END = np.iinfo(np.int32).max


def build_graph(weights: Mapping[str, NDArray[np.float32]], config: DINOv2Config, size: int) -> Any:
    """An `openvino.Model` of two inputs and two outputs.

    (B, size, size, 3) uint8 RGB and () float32 θ → (B, D) float32 embeddings of length 1, and (B,)
    float32, the `itae.distance_to_theta`. Stock DINOv2 is θ = −∞, below every norm.

    Args:
        weights: the backbone's state dict; kept, not copied.
        config: the architecture.
        size: side of the square input in pixels, a multiple of 14.
    """
    ov: Any = import_openvino()
    pixels = ov.opset13.parameter([-1, size, size, 3], np.uint8, name="pixels")
    theta = ov.opset13.parameter([], np.float32, name="theta")
    network = _Network(ov.opset13, weights, config)
    x = network.tokens(pixels, size // PATCH)
    for number in range(config.depth - 1):
        x = network.block(x, f"blocks.{number}.")
    outputs = network.finish(x, f"blocks.{config.depth - 1}.", theta)
    return ov.Model(outputs, [pixels, theta], "dinov2")


def interpolate_positions(
    patches: NDArray[np.float32], config: DINOv2Config, side: int
) -> NDArray[np.float32]:
    """As `dinov2.interpolate_positions`, for the patches of a square: (1, M², D) → (1, side², D).

    Torch's bicubic with antialiasing is Pillow's. Computed here: left in the graph, OpenVINO would
    do it whenever it compiles that, and slowly.
    """
    if side == config.grid:
        return patches
    ov: Any = import_openvino()
    ops, grid = ov.opset13, config.grid
    source = ops.parameter(patches.shape, np.float32)
    square = ops.transpose(ops.reshape(source, [1, grid, grid, -1], False), [0, 3, 1, 2])
    target = side + config.interpolate_offset
    by_scale = target != side
    scaled = ops.interpolate(
        square,
        np.full(2, target / grid, np.float32) if by_scale else np.full(2, side),
        "bicubic_pillow" if config.interpolate_antialias else "cubic",
        "scales" if by_scale else "sizes",
        coordinate_transformation_mode="half_pixel",
        cube_coeff=-0.5 if config.interpolate_antialias else -0.75,
        axes=np.array([2, 3]),
    )  # (1, D, side, side)
    result = ops.transpose(ops.reshape(scaled, [1, 0, -1], True), [0, 2, 1])
    compiled = ov.Core().compile_model(
        ov.Model([result], [source], "positions"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found: NDArray[np.float32] = compiled([patches])[0]
    return found


class _Network:
    """Each method is the torch module's of the same name; a prefix names the block."""

    def __init__(
        self, ops: Any, weights: Mapping[str, NDArray[np.float32]], config: DINOv2Config
    ) -> None:
        self._ops = ops
        self._weights = weights
        self._config = config

    def _weight(self, name: str) -> Any:
        return self._ops.constant(self._weights[name], shared_memory=True)

    def _linear(self, x: Any, name: str) -> Any:
        product = self._ops.matmul(x, self._weight(f"{name}.weight"), False, True)
        return self._ops.add(product, self._weight(f"{name}.bias"))

    def _norm(self, x: Any, name: str) -> Any:
        normed = self._ops.mvn(x, [-1], True, 1e-6, "INSIDE_SQRT")
        scaled = self._ops.multiply(normed, self._weight(f"{name}.weight"))
        return self._ops.add(scaled, self._weight(f"{name}.bias"))

    def _reshape(self, x: Any, shape: list[int]) -> Any:
        """0 keeps a length as it is."""
        return self._ops.reshape(x, shape, special_zero=True)

    def tokens(self, pixels: Any, side: int) -> Any:
        """(B, size, size, 3) uint8 → (B, T, D), the input of the first block."""
        ops, dim = self._ops, self._config.embed_dim
        mean, std = (
            (np.array(values, dtype=np.float32) * 255) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        images = ops.divide(ops.subtract(ops.convert(pixels, np.float32), mean), std)
        images = ops.transpose(images, [0, 3, 1, 2])
        kernel = self._weight("patch_embed.proj.weight")
        patches = ops.convolution(images, kernel, [PATCH] * 2, [0, 0], [0, 0], [1, 1])
        patches = ops.transpose(self._reshape(patches, [0, 0, side * side]), [0, 2, 1])
        patches = ops.add(patches, self._weight("patch_embed.proj.bias"))  # (B, N, D)
        positions = self._weights["pos_embed"]
        patches = ops.add(patches, interpolate_positions(positions[:, 1:], self._config, side))
        first = self._weights["cls_token"] + positions[:, :1]
        if self._config.registers:
            first = np.concatenate([first, self._weights["register_tokens"]], axis=1)
        batch = ops.slice(ops.shape_of(pixels, "i64"), [0], [1], [1])
        shape = ops.concat([batch, np.array([first.shape[1], dim], dtype=np.int64)], 0)
        return ops.concat([ops.broadcast(ops.constant(first), shape), patches], 1)  # (B, T, D)

    def _heads(self, x: Any, prefix: str) -> list[Any]:
        """(B, T, D) → query, key and value, each (B, H, T, d)."""
        qkv = self._linear(self._norm(x, f"{prefix}norm1"), f"{prefix}attn.qkv")
        qkv = self._reshape(qkv, [0, 0, 3, self._config.num_heads, HEAD_DIM])
        qkv = self._ops.transpose(qkv, [2, 0, 3, 1, 4])
        return [self._ops.gather(qkv, np.int64(which), np.int64(0)) for which in range(3)]

    def _merge(self, x: Any, prefix: str) -> Any:
        merged = self._reshape(self._ops.transpose(x, [0, 2, 1, 3]), [0, 0, self._config.embed_dim])
        return self._linear(merged, f"{prefix}attn.proj")

    def _feed_forward(self, x: Any, prefix: str) -> Any:
        if self._config.ffn == "mlp":
            inner = self._ops.gelu(self._linear(x, f"{prefix}mlp.fc1"), "erf")
            return self._linear(inner, f"{prefix}mlp.fc2")
        gate, value = self._ops.split(self._linear(x, f"{prefix}mlp.w12"), -1, 2).outputs()
        return self._linear(self._ops.multiply(self._ops.swish(gate), value), f"{prefix}mlp.w3")

    def _rest(self, x: Any, attended: Any, prefix: str) -> Any:
        """The rest of a block once attention is done."""
        ops = self._ops
        x = ops.add(x, ops.multiply(attended, self._weight(f"{prefix}ls1.gamma")))
        inner = self._feed_forward(self._norm(x, f"{prefix}norm2"), prefix)
        return ops.add(x, ops.multiply(inner, self._weight(f"{prefix}ls2.gamma")))

    def block(self, x: Any, prefix: str) -> Any:
        """(B, T, D) → (B, T, D)."""
        attended = self._ops.scaled_dot_product_attention(*self._heads(x, prefix))
        return self._rest(x, self._merge(attended, prefix), prefix)

    def finish(self, x: Any, prefix: str, theta: Any) -> list[Any]:
        """The last block for CLS alone, the last norm, and length 1; see `itae`."""
        ops = self._ops
        q, k, v = self._heads(x, prefix)
        first = ops.multiply(self._cls(q, 2), np.float32(HEAD_DIM**-0.5))
        logits = ops.matmul(first, k, False, True)  # (B, H, 1, T)
        norms = self._query_norms(q)  # (B, M)
        logits = self._attenuate(logits, self._artifacts(norms, theta))
        away = ops.abs(ops.subtract(ops.divide(norms, theta), np.float32(1)))
        attended = ops.matmul(ops.softmax(logits, -1), v, False, False)  # (B, H, 1, d)
        cls = self._rest(self._cls(x, 1), self._merge(attended, prefix), prefix)
        cls = self._reshape(self._norm(cls, "norm"), [0, self._config.embed_dim])
        length = ops.sqrt(ops.reduce_sum(ops.multiply(cls, cls), [1], True))
        vectors = ops.divide(cls, ops.maximum(length, np.float32(1e-12)))
        return [vectors, ops.reduce_min(away, [1])]

    def _cls(self, x: Any, axis: int) -> Any:
        return self._ops.slice(x, [0], [1], [1], [axis])

    def _query_norms(self, q: Any) -> Any:
        """Eq. 4, for all tokens but CLS: (B, M)."""
        ops = self._ops
        scaled = ops.multiply(q, np.float32(HEAD_DIM**-0.5))
        squares = ops.reduce_sum(ops.multiply(scaled, scaled), [1, 3])
        return ops.sqrt(ops.slice(squares, [1], [_END], [1], [1]))

    def _artifacts(self, norms: Any, theta: Any) -> Any:
        """Eq. 2 and 3: (B, M) bool. Counted in integers, which no precision rounds."""
        ops = self._ops
        low = ops.less_equal(norms, theta)
        count = ops.reduce_sum(ops.convert(low, "i32"), [1], True)
        others = ops.reduce_sum(ops.convert(ops.logical_not(low), "i32"), [1], True)
        is_smaller = ops.less_equal(count, others)
        return ops.select(is_smaller, low, ops.logical_not(low))

    def _attenuate(self, logits: Any, mask: Any) -> Any:
        """Eq. 6: (B, H, 1, T) with the least logit but CLS's where `mask` (B, M) is true."""
        ops = self._ops
        others = ops.slice(logits, [1], [_END], [1], [3])
        floor = ops.reduce_min(others, [3], True)
        mask = ops.unsqueeze(mask, [1, 2])  # (B, 1, 1, M)
        return ops.concat([self._cls(logits, 3), ops.select(mask, floor, others)], 3)
