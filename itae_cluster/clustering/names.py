"""Embeddings of `mini` and clusters → what each cluster may be called.

A picture votes for every word that at least half of its class probability lies under. A cluster is
called by the most specific word that most of its pictures vote for and few others do; where there
is none it has no name. `docs/names.md` has the rule and how often it is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.types import NOISE, Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Vocabulary

__all__ = ["SAMPLE", "class_probabilities", "classes_below", "pick_sample", "suggest_names"]

SAMPLE = 16
"""Pictures of a cluster that are enough for its name."""

_SHARPNESS = 2.0  # the classifier was trained towards a mean of three, so it is soft
_MOST = 500  # pictures of a cluster that vote
_VOTE = 0.5  # of a picture's probability
_DOUBT = 0.35  # pictures that speak against every word; two that are sure of three stay a guess
_COVERED = 0.6  # of a cluster's votes, for a name
_LIFT = 2.5  # times the share elsewhere, for a name
_BROAD = 25  # classes below a word from which on it says little
_BROAD_COVERED = 0.75
_MOST_EQUAL = 2  # clusters that a broad word may be the name of
_TAG_COVERED = 0.15
_TAGS = 3


def class_probabilities(
    vectors: NDArray[np.float32], vocabulary: Vocabulary
) -> NDArray[np.float32]:
    """(n, D) embeddings of `mini` → (n, C), rows that sum to 1, squared and normalised."""
    logits = _SHARPNESS * (vectors @ vocabulary.weight.T + vocabulary.bias)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    return np.asarray(logits / logits.sum(axis=1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Words:
    """`under` (C, W) float32: 1 where a class lies under a word."""

    words: tuple[str, ...]
    offsets: tuple[str, ...]
    under: NDArray[np.float32]


def suggest_names(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], vocabulary: Vocabulary
) -> dict[int, Suggestion]:
    """What to call each cluster; clusters of which nothing can be said are left out.

    Args:
        vectors: (n, D) embeddings of `mini`, rows of length 1.
        labels: (n,) clusters, `NOISE` for none, which has no name but is what others differ from.
        vocabulary: what can be seen in a picture.
    """
    words = _words(vocabulary)
    numbers, sizes = np.unique(labels, return_counts=True)
    found_shares = [_shares(vectors, labels == each, vocabulary, words) for each in numbers]
    shares, covers = np.stack(found_shares, axis=1)  # (K, W) each
    elsewhere = _elsewhere(shares, sizes)  # (K, W)
    breadth = words.under.sum(axis=0)
    found: dict[int, Suggestion] = {}
    for row, number in enumerate(numbers.tolist()):
        suggestion = _suggest(shares[row], covers[row], elsewhere[row], breadth, words)
        if number != NOISE and suggestion is not None:
            found[number] = suggestion
    found = _without_common(
        found, {word for word, b in zip(words.words, breadth, strict=True) if b >= _BROAD}
    )
    largest_first = numbers[np.argsort(-sizes, kind="stable")].tolist()
    return _number_equals(found, [number for number in largest_first if number in found])


def _words(vocabulary: Vocabulary) -> _Words:
    """The words that may be names; synsets that are called the same are one."""
    under: dict[str, set[int]] = defaultdict(set)
    widest: dict[str, tuple[int, str]] = {}
    below = classes_below(vocabulary)
    for synset, classes in zip(vocabulary.synsets, below, strict=True):
        if synset.said is not None:
            under[synset.said] |= classes
            widest[synset.said] = max(
                widest.get(synset.said, (0, "")), (len(classes), synset.offset)
            )
    table = np.zeros((len(vocabulary.bias), len(under)), dtype=np.float32)
    for column, classes in enumerate(under.values()):
        table[sorted(classes), column] = 1
    return _Words(tuple(under), tuple(widest[word][1] for word in under), table)


def classes_below(vocabulary: Vocabulary) -> list[set[int]]:
    """Of each synset, the classes that it is, or is above."""
    below: list[set[int]] = [set() for _ in vocabulary.synsets]
    for number in range(len(vocabulary.bias)):
        todo = [number]
        while todo:
            synset = todo.pop()
            below[synset].add(number)
            todo += vocabulary.synsets[synset].parents
    return below


def _shares(
    vectors: NDArray[np.float32],
    members: NDArray[np.bool_],
    vocabulary: Vocabulary,
    words: _Words,
) -> NDArray[np.float64]:
    """(2, W) the share of a cluster's pictures that vote for each word, and how covered it is."""
    rows = np.flatnonzero(members)
    rows = rows[np.linspace(0, len(rows) - 1, min(_MOST, len(rows))).round().astype(np.intp)]
    mass = class_probabilities(vectors[rows], vocabulary) @ words.under
    votes = (mass >= _VOTE).sum(axis=0) / (len(rows) + 1)  # two of three would be a guess
    # Of a few pictures one that is all but sure would decide: they count with their means, too.
    means = mass.sum(axis=0) / (len(rows) + _DOUBT)
    return np.stack([votes, np.maximum(votes, means)]).astype(np.float64)


def _elsewhere(shares: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K, W) the share of votes in all other clusters together."""
    votes = shares * sizes[:, None]
    others = sizes.sum() - sizes
    return np.asarray((votes.sum(axis=0) - votes) / np.maximum(others, 1)[:, None])


def _suggest(
    inside: NDArray[np.float64],
    cover: NDArray[np.float64],
    elsewhere: NDArray[np.float64],
    breadth: NDArray[np.float32],
    words: _Words,
) -> Suggestion | None:
    """The name and the tags of one cluster; all arrays are (W,)."""
    apart = cover >= _LIFT * elsewhere
    narrow_first = np.lexsort((np.arange(len(inside)), -inside, breadth))
    covered = cover >= np.where(breadth >= _BROAD, _BROAD_COVERED, _COVERED)
    sure = [w for w in narrow_first.tolist() if covered[w] and apart[w]]
    likely = [w for w in narrow_first.tolist() if inside[w] >= _TAG_COVERED and apart[w]]
    if not likely:
        return None
    name = sure[0] if sure else None
    tags = _tags([w for w in likely if w != name], inside, words)
    first = name if name is not None else tags[0]
    return Suggestion(
        name=None if name is None else words.words[name],
        tags=tuple(words.words[w] for w in tags),
        confidence=round(max(0.0, float(cover[first] - elsewhere[first])), 2),
        offset=None if name is None else words.offsets[name],
    )


def _tags(likely: Sequence[int], inside: NDArray[np.float64], words: _Words) -> list[int]:
    """Three at most: words with none below them first, by votes; then those above, narrow first."""
    under = words.under.astype(np.bool_)

    def is_above(one: int, other: int) -> bool:
        return one != other and bool((under[:, one] >= under[:, other]).all())

    lowest = [w for w in likely if not any(is_above(w, other) for other in likely)]
    lowest.sort(key=lambda w: -inside[w])
    return [*lowest, *(w for w in likely if w not in lowest)][:_TAGS]


def _without_common(found: Mapping[int, Suggestion], broad: set[str]) -> dict[int, Suggestion]:
    """Broad words that three clusters or more would be called by become tags of theirs."""
    counts = Counter(each.name for each in found.values())
    return {
        number: replace(each, name=None, offset=None, tags=(each.name, *each.tags)[:_TAGS])
        if each.name is not None and each.name in broad and counts[each.name] > _MOST_EQUAL
        else each
        for number, each in found.items()
    }


def _number_equals(
    found: Mapping[int, Suggestion], largest_first: Sequence[int]
) -> dict[int, Suggestion]:
    """A second cluster of a name gets its number: `dog`, `dog 2`."""
    given: dict[str, int] = defaultdict(int)
    told: dict[int, Suggestion] = {}
    for number in largest_first:
        name = found[number].name
        if name is not None:
            given[name] += 1
            if given[name] > 1:
                name = f"{name} {given[name]}"
        told[number] = replace(found[number], name=name)
    return told


def pick_sample(
    labels: NDArray[np.int64], distances: NDArray[np.float32], most: int = SAMPLE
) -> NDArray[np.intp]:
    """Rows of a few pictures of each cluster, from the most to the least typical in even steps.

    Args:
        labels: (n,) clusters.
        distances: (n,) to the own centre.
        most: how many of each.
    """
    chosen: list[NDArray[np.intp]] = []
    for label in np.unique(labels[labels != NOISE]):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(np.nan_to_num(distances[rows], nan=np.inf), kind="stable")]
        steps = np.linspace(0, len(rows) - 1, min(most, len(rows)))
        chosen.append(rows[steps.round().astype(np.intp)])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.intp)
