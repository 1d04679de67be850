"""Embeddings of `mini` → what each picture shows, as far as its classifier knows.

A picture is tagged with the most specific words that at least half of its class probability lies
under, and with the classes that are likely besides. A word stands for all that is above it: what
is tagged as a beagle is found as a dog and as an animal, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.names import class_probabilities, classes_below
from itae_cluster.core.batches import slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Vocabulary

__all__ = ["LIKELY", "SURE", "tag_vectors"]

SURE = 0.5
"""The share of its class probability from which on a picture surely shows something."""
LIKELY = 0.1
"""The share from which on it may."""

_MOST = 3  # tags of a picture
_AT_ONCE = 4096  # rows: 30 MB for the shares of every synset


def tag_vectors(
    vectors: NDArray[np.float32], vocabulary: Vocabulary
) -> list[tuple[tuple[str, float], ...]]:
    """Of each picture the synsets that it shows, each with its share, the surest first.

    Args:
        vectors: (n, D) embeddings of `mini`, rows of length 1.
        vocabulary: what can be seen in a picture.

    Returns:
        For each row pairs of an offset in WordNet 3.0 and a share of the class probability, 0 to 1;
        none where nothing is likely.
    """
    under = np.zeros((len(vocabulary.bias), len(vocabulary.synsets)), dtype=np.float32)
    for place, classes in enumerate(classes_below(vocabulary)):
        under[sorted(classes), place] = 1
    found: list[tuple[tuple[str, float], ...]] = []
    for part in slices(len(vectors), _AT_ONCE):
        shares = class_probabilities(vectors[part], vocabulary) @ under
        found += (_tag(row, vocabulary) for row in shares)
    return found


def _tag(shares: NDArray[np.float32], vocabulary: Vocabulary) -> tuple[tuple[str, float], ...]:
    """The tags of one picture; `shares` (S,) of every synset, the classes first."""
    sure = np.flatnonzero(shares >= SURE).tolist()
    tagged = _lowest(sure, vocabulary)
    classes = shares[: len(vocabulary.bias)]
    likely = np.flatnonzero(classes >= LIKELY)
    likely = likely[np.argsort(-classes[likely], kind="stable")]
    tagged += [place for place in likely.tolist() if place not in tagged]
    return tuple(
        (vocabulary.synsets[place].offset, round(min(1.0, float(shares[place])), 2))
        for place in tagged[:_MOST]
    )


def _lowest(places: Sequence[int], vocabulary: Vocabulary) -> list[int]:
    """Those with none of the others below them, without what is above everything."""
    above = {parent for place in places for parent in vocabulary.synsets[place].parents}
    return [place for place in places if place not in above and vocabulary.synsets[place].parents]
