"""What `mini` can name: a classifier on its embeddings, and the words for its classes.

Both lie in the package beside it; `docs/make_names.py` makes them, `docs/names.md` says from what.
Neither needs torch.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.types import Synset, Vocabulary
from itae_cluster.model.quantized import dequantize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["CLASSIFIER", "VERSION", "load_vocabulary", "read_classifier"]

VERSION = 2
"""The version of `mini` whose embeddings the classifier is for."""

CLASSIFIER = Path(__file__).with_name("mini-classes.safetensors")
_WORDS = Path(__file__).with_name("wordnet.json")


@functools.cache
def load_vocabulary() -> Vocabulary:
    """The classifier and the words, as they are in the package."""
    from safetensors.numpy import load_file

    weight, bias = read_classifier(load_file(CLASSIFIER))
    known = json.loads(_WORDS.read_text(encoding="utf-8"))
    synsets = tuple(
        Synset(offset, tuple(words.split("|")), tuple(parents), said or None)
        for offset, words, parents, said in known["synsets"]
    )
    return Vocabulary(weight=weight, bias=bias, synsets=synsets)


def read_classifier(
    arrays: Mapping[str, NDArray[np.generic]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (C, D) and bias (C,) such that logits are `weight @ e + bias`.

    Args:
        arrays: `weight` in 8 bits as `quantized.py` writes it, `bias`, and `scale` of the weights.
    """
    state = {name: array.astype(np.float32) for name, array in dequantize(arrays).items()}
    return state["weight"] * state["scale"], state["bias"]
