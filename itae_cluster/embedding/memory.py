"""How many pictures at once fit into a device's memory, before one has been tried.

An estimate, and a low one: where it is too high after all, the encoder halves its batches.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch

from itae_cluster.model.config import PATCH

if TYPE_CHECKING:
    from itae_cluster.model.config import DINOv2Config

__all__ = ["bytes_a_picture", "free_bytes", "pictures_that_fit"]

_SHARE = 0.5  # of what is free; the rest is for the allocator and for other programs
_FLOAT32 = 4


def free_bytes(device: torch.device) -> int | None:
    """Free memory of the device in bytes; None on a CPU, where batches are small anyway."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def bytes_a_picture(config: DINOv2Config, size: int, itemsize: int) -> int:
    """Memory for one picture of `size` × `size` pixels in bytes, at the widest point.

    That is a block's residual stream, its input, and the feed-forward layer before and after its
    activation, or the attention matrices of the last block, which ITAE needs as they are.
    """
    tokens = (size // PATCH) ** 2 + 1 + config.registers
    feed_forward = tokens * (2 * config.embed_dim + 2 * config.hidden_dim) * itemsize
    attention = 3 * config.num_heads * tokens**2 * _FLOAT32
    pixels = 3 * size**2 * (1 + 2 * _FLOAT32 + itemsize)
    return feed_forward + attention + pixels


def pictures_that_fit(device: torch.device, config: DINOv2Config, size: int, itemsize: int) -> int:
    """How many pictures one forward pass may have on the device; at least 1."""
    free = free_bytes(device)
    if free is None:
        return sys.maxsize
    return max(1, int(_SHARE * free) // bytes_a_picture(config, size, itemsize))
