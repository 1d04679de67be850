"""How often the suggested names of clusters are right, on folders whose labels are nouns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.names import suggest_names
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.core.options import ClusterOptions
from itae_cluster.model.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.quality.data import Labelled
    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Vocabulary

__all__ = ["is_right", "judged", "meanings"]

_STEPS = 3  # up or down in WordNet, within which a name is right


def judged(whole: Labelled, cache: Cache) -> Iterator[dict[str, Any]]:
    """Names for the true classes, and for the clusters of the default recipe at that number."""
    vocabulary = load_vocabulary()
    classes, truth = np.unique(whole.truth, return_inverse=True)
    options = ClusterOptions(k=len(classes), seed=0)
    found = cluster_vectors(whole.vectors, options, cache=cache).labels
    for kind, labels in (("true classes", truth.astype(np.int64)), ("clusters", found)):
        names = suggest_names(whole.vectors, labels, vocabulary)
        majority = {
            number: classes[np.bincount(truth[labels == number]).argmax()]
            for number in np.unique(labels).tolist()
        }
        known = {n: meant for n, each in majority.items() if (meant := meanings(each, vocabulary))}
        given = {n: names[n].offset for n in known if n in names and names[n].offset}
        right = [
            n
            for n, offset in given.items()
            if is_right(offset, known[n], vocabulary) or _is_same(names[n].name, majority[n])
        ]
        guesses = {offset for meant in known.values() for offset in meant}
        guess = max(
            (
                sum(is_right(each, meant, vocabulary) for meant in known.values())
                for each in guesses
            ),
            default=0,
        )
        if not known:  # its folders are called by no noun that is known
            return
        yield {
            "data": whole.name,
            "of": kind,
            "clusters": len(known),
            "named": len(given),
            "right": len(right),
            "guess": guess,
            "wrong": sorted(f"{majority[n]}: {names[n].name}" for n in given.keys() - {*right}),
        }


def _is_same(name: str | None, label: str) -> bool:
    """Whether a name, without its number, is the very word on the folder."""
    return re.sub(r" \d+$", "", name or "").lower() == label.replace("_", " ").lower()


def meanings(label: str, vocabulary: Vocabulary) -> set[str]:
    """The synsets that a folder's name may mean: the offset, or a word of theirs."""
    wanted = {each.strip() for each in label.replace("_", " ").lower().split(" or ")}
    return {
        each.offset
        for each in vocabulary.synsets
        if wanted & {each.offset, f"n{each.offset}", *(word.lower() for word in each.words)}
    }


def is_right(offset: str, meant: set[str], vocabulary: Vocabulary) -> bool:
    """Whether a synset is one of those meant, or three steps at most above or below one."""
    above = {
        each.offset: [vocabulary.synsets[parent].offset for parent in each.parents]
        for each in vocabulary.synsets
    }
    return any(_is_near(offset, each, above) or _is_near(each, offset, above) for each in meant)


def _is_near(low: str, high: str, above: dict[str, list[str]]) -> bool:
    reached = {low}
    for _ in range(_STEPS):
        reached |= {parent for each in reached for parent in above[each]}
    return high in reached
