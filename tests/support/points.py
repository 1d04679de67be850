"""Points in known groups."""

from __future__ import annotations

import numpy as np

__all__ = ["blobs", "unit"]


def unit(vectors):
    """Rows brought to length 1, float32."""
    vectors = np.asarray(vectors)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blobs(sizes, dim=16, spread=0.05, seed=0):
    """Tight groups around random directions, shuffled; vectors and true labels."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = unit(rng.normal(size=(len(sizes), dim)))
    return unit(centres[truth] + spread * rng.normal(size=(len(truth), dim))), truth
