"""Words that a person types → the synsets that they mean, and how surely a picture shows them."""

from __future__ import annotations

import difflib
import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from itae_cluster.core.types import Suggestion, Vocabulary

__all__ = ["Term", "WordSearch"]

_NEAR = 3  # words that are named in place of an unknown one


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for: the word as it was typed, and what it means.

    `offsets` are empty where the word is unknown.
    """

    word: str
    offsets: frozenset[str]


class WordSearch:
    """Finds what words mean, and looks for it in tags."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._synsets = vocabulary.synsets
        self._place = {each.offset: place for place, each in enumerate(vocabulary.synsets)}
        self._whole: dict[str, set[str]] = defaultdict(set)
        self._parts: dict[str, set[str]] = defaultdict(set)
        for synset in vocabulary.synsets:
            for word in (*synset.words, *([synset.said] if synset.said else [])):
                self._whole[_plain(word)].add(synset.offset)
                for part in _plain(word).split():
                    self._parts[part].add(synset.offset)
        self._longest = max(word.count(" ") + 1 for word in self._whole)

    def parse(self, text: str) -> tuple[Term, ...]:
        """The things that `text` names, the longest words first: `garbage truck` is one thing."""
        tokens = _plain(text).split()
        terms = []
        while tokens:
            for length in range(min(self._longest, len(tokens)), 0, -1):
                word = " ".join(tokens[:length])
                found = self._meanings(word, one=length == 1)
                if found or length == 1:
                    terms.append(Term(word, frozenset(found)))
                    del tokens[:length]
                    break
        return tuple(terms)

    def _meanings(self, word: str, *, one: bool) -> set[str]:
        """Synsets of that name; else, for one word, those in whose name it stands."""
        forms = list(_singulars(word))
        for known in (self._whole, self._parts) if one else (self._whole,):
            for form in forms:
                if form in known:
                    return known[form]
        return set()

    def near(self, word: str) -> list[str]:
        """Known words that are written much like it."""
        return difflib.get_close_matches(word, self._whole, n=_NEAR, cutoff=0.75)

    def share(self, terms: Iterable[Term], tags: Iterable[tuple[str, float]]) -> float:
        """How surely a picture with these tags shows all of the terms, 0 to 1."""
        known = [(self._above(offset), share) for offset, share in tags]
        return min(
            max((share for above, share in known if term.offsets & above), default=0.0)
            for term in terms
        )

    @functools.cache  # noqa: B019 - as long as one search
    def _above(self, offset: str) -> frozenset[str]:
        """A synset and all above it."""
        if offset not in self._place:
            return frozenset()
        parents = self._synsets[self._place[offset]].parents
        above = (self._above(self._synsets[parent].offset) for parent in parents)
        return frozenset({offset}).union(*above)

    def tags_of(self, suggestion: Suggestion) -> tuple[tuple[str, float], ...]:
        """What a cluster's suggestion says of a picture of it that nobody has looked at."""
        words = [word for word in (suggestion.name, *suggestion.tags) if word]
        offsets = {offset for word in words for offset in self._whole.get(_plain(word), ())}
        if suggestion.offset:
            offsets.add(suggestion.offset)
        return tuple((offset, suggestion.confidence) for offset in sorted(offsets))


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", text.strip().lower()))


def _singulars(word: str) -> Iterator[str]:
    """The word, and what it may be the plural of."""
    yield word
    for ending, one in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            yield word[: -len(ending)] + one
