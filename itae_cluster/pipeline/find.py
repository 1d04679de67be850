"""Pictures that show something, by word: what the manifest or a vector file says of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.changes.amend import inspect_result
from itae_cluster.clustering.tags import SURE, tag_vectors
from itae_cluster.clustering.words import WordSearch
from itae_cluster.core.errors import InputError, ResultError, UsageError
from itae_cluster.core.text import printable
from itae_cluster.embedding import vector_files
from itae_cluster.model.vocabulary import load_vocabulary
from itae_cluster.pipeline.names import is_mini
from itae_cluster.results.facts import read_facts
from itae_cluster.results.manifest import read_suggestions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Shown", "find_shown"]

_Tags = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture, how surely it shows what was asked for, 0 to 1, and whether by its cluster alone.

    That is where nobody has looked at the picture itself.
    """

    path: str
    share: float
    by_cluster: bool = False


def find_shown(source: str, text: str, *, perhaps: bool = False) -> list[Shown]:
    """Pictures that show all of the things that `text` names, the surest first.

    Args:
        source: a result, or a vector file of embeddings of `mini`.
        text: words.
        perhaps: also those that are less sure than not.

    Raises:
        UsageError: if a word is unknown.
        ItaeClusterError: if the source cannot be read, or does not say what pictures show.
    """
    search = WordSearch(load_vocabulary())
    terms = search.parse(text)
    for term in terms:
        if not term.offsets:
            near = ", ".join(search.near(term.word)) or "a plainer word"
            raise UsageError(
                f"{printable(term.word)!r} is none of the thousand things that can be seen, and no "
                f"word above them; try {near}"
            )
    tagged = _of_file(source) if os.path.isfile(source) else _of_result(source, search)
    least = 0.0 if perhaps else SURE
    found = [
        Shown(path, share, by_cluster)
        for path, tags, by_cluster in tagged
        if (share := search.share(terms, tags)) > 0 and share >= least
    ]
    return sorted(found, key=lambda item: -item.share)


def _of_file(path: str) -> Iterator[tuple[str, _Tags, bool]]:
    embeddings = vector_files.load(path)
    if not is_mini(embeddings.metadata):
        raise InputError(
            f"the vectors of {printable(path)} are not of the mini that knows words; make them "
            "with 'itae-cluster embed --model mini'"
        )
    tags = tag_vectors(embeddings.vectors, load_vocabulary())
    for name, each in zip(embeddings.paths, tags, strict=True):
        yield name, each, False


def _of_result(out: str, search: WordSearch) -> Iterator[tuple[str, _Tags, bool]]:
    held = inspect_result(out)
    of_cluster = {
        label: search.tags_of(each) for label, each in read_suggestions(held.suggested).items()
    }
    facts = [read_facts(item.record) for item in held.pictures]
    if not of_cluster and all(each.tags is None for each in facts):
        raise ResultError(
            f"{printable(out)} does not say what its pictures show; 'itae-cluster preview "
            f"{printable(out)}' finds it out"
        )
    for item, known in zip(held.pictures, facts, strict=True):
        tags = of_cluster.get(item.cluster, ()) if known.tags is None else known.tags
        yield os.path.join(out, item.destination), tags, known.tags is None
