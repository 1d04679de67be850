"""What pictures show and clusters may be called: `mini` knows a thousand things.

It looks at its own embeddings. Of another model's pictures it embeds a few of each cluster, and
takes what the cache knows of the others from earlier runs.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import names
from itae_cluster.clustering.tags import tag_vectors
from itae_cluster.core.errors import ItaeClusterError
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.types import NOISE, Facts
from itae_cluster.embedding.deferred import encoder_for
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.vector_cache import VectorCache
from itae_cluster.model.registry import MINI
from itae_cluster.model.vocabulary import VERSION, load_vocabulary
from itae_cluster.pictures.exif import read_camera_facts
from itae_cluster.results.inventory import find_same, still_suggested
from itae_cluster.results.manifest import suggestion_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Clustering, Embeddings, Placement, Suggestion
    from itae_cluster.results.inventory import Inventory

__all__ = [
    "Description",
    "asks_for_names",
    "describe_pictures",
    "is_mini",
    "suggest_again",
    "with_facts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """`suggested` is what clusters may be called, by label; `facts` (n) are of each picture."""

    facts: Sequence[Facts]
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)


def describe_pictures(
    embeddings: Embeddings,
    clustering: Clustering,
    model: ModelOptions | None,
    run: Run,
    *,
    by_name: bool = True,
) -> Description:
    """What `mini` sees in pictures and clusters, and what cameras say of the pictures.

    Args:
        embeddings: of the pictures.
        clustering: their clusters.
        model: what made `embeddings`, whose device is used where that is not `mini`; None where
            the pictures themselves are not to be looked at.
        run: knows vectors, and is told of progress.
        by_name: whether `mini` is asked.
    """
    n = len(embeddings.paths)
    facts = [Facts()] * n if model is None else read_camera_facts(embeddings.paths, run.reporter)
    seen = _see(embeddings, clustering, model, run) if by_name else None
    if seen is None:
        return Description(facts=facts)
    rows, vectors = seen
    run.reporter.progress("Naming", 0, None)
    vocabulary = load_vocabulary()
    for row, tags in zip(rows.tolist(), tag_vectors(vectors, vocabulary), strict=True):
        facts[row] = replace(facts[row], tags=tags)
    if len(rows) < n:  # of what the cache knew no more than a like share of each cluster counts
        sample = names.pick_sample(clustering.labels, clustering.distances)
        chosen = np.isin(rows, sample)
        rows, vectors = rows[chosen], vectors[chosen]
    suggested = names.suggest_names(vectors, clustering.labels[rows], vocabulary)
    return Description(facts=facts, suggested=suggested)


def suggest_again(
    held: Inventory, records: Sequence[Mapping[str, Any]], run: Run
) -> dict[int, Mapping[str, Any]]:
    """What clusters of a result that changes may be called from then on.

    A cluster that stays nearly the same pictures keeps its suggestion. For the others only what the
    cache knows of `mini` counts; where that is too little, a cluster has no name.

    Args:
        held: the result before.
        records: what its manifest is to say of each picture, those of `held` first.
        run: knows vectors.
    """
    labels = [int(record["cluster"]) for record in records]
    told = still_suggested(held, labels)
    new = {label for label in labels if label >= 0} - find_same(held, labels).keys()
    seen = _recall(held, records, run) if new and held.suggested else None
    if seen is None:
        return told
    rows, vectors = seen
    chosen = np.where(np.array(labels) < 0, NOISE, labels)[rows]
    found = names.suggest_names(vectors, chosen, load_vocabulary())
    sizes, known = Counter(labels), Counter(chosen.tolist())
    taken = {each["name"] for each in told.values()}
    for label in sorted(new & found.keys(), key=lambda label: (-sizes[label], label)):
        if known[label] >= min(sizes[label], names.SAMPLE // 2):
            each = replace(found[label], name=_free_name(found[label].name, taken))
            taken.add(each.name)
            told |= suggestion_records({label: each})
    return told


def _free_name(name: str | None, taken: AbstractSet[str | None]) -> str | None:
    """`dog 2`, where another cluster is called `dog`."""
    if name is None or name not in taken:
        return name
    word = re.sub(r" \d+$", "", name)
    return next(free for n in itertools.count(2) if (free := f"{word} {n}") not in taken)


def _recall(
    held: Inventory, records: Sequence[Mapping[str, Any]], run: Run
) -> tuple[NDArray[np.intp], NDArray[np.float32]] | None:
    """Rows of which the cache knows what `mini` sees, and its embeddings; None where of none."""
    metadata = held.head["model"]
    try:
        if not is_mini(metadata):
            metadata = encoder_for(ModelOptions(model=MINI), run.cache, run.reporter).metadata
        vectors = np.empty((len(records), int(metadata["dim"])), dtype=np.float32)
        contents = [bytes.fromhex(record.get("sha256", "")) for record in records]
        known = VectorCache(run.cache, metadata, vectors.shape[1]).fill_contents(contents, vectors)
    except (ItaeClusterError, KeyError) as error:
        run.reporter.info(f"clusters that changed have no suggested names: {error}")
        return None
    return (np.flatnonzero(known), vectors[known]) if known.any() else None


def with_facts(placements: Sequence[Placement], facts: Sequence[Facts]) -> tuple[Placement, ...]:
    """The placements, each with what is known of its picture."""
    pairs = zip(placements, facts, strict=True)
    return tuple(replace(item, facts=known) for item, known in pairs)


def asks_for_names(held: Inventory) -> bool:
    """Whether the run that made a result was to name what it sees."""
    output = held.head["options"].get("output")
    return not isinstance(output, dict) or output.get("names") is not False


def _see(
    embeddings: Embeddings, clustering: Clustering, model: ModelOptions | None, run: Run
) -> tuple[NDArray[np.intp], NDArray[np.float32]] | None:
    """Rows of which `mini` has seen the picture, and its embeddings of them."""
    if is_mini(embeddings.metadata):
        return np.arange(len(embeddings.paths)), embeddings.vectors
    if model is None:
        return None
    sample = names.pick_sample(clustering.labels, clustering.distances)
    try:
        return _embed_with_mini(embeddings.paths, sample, model, run)
    except ItaeClusterError as error:
        run.reporter.info(f"clusters have no suggested names: {error}")
        return None


def is_mini(metadata: Mapping[str, Any]) -> bool:
    """Whether embeddings are those that the classifier is for."""
    return metadata.get("name") == MINI and metadata.get("version") == VERSION


def _embed_with_mini(
    paths: Sequence[str], sample: NDArray[np.intp], model: ModelOptions, run: Run
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows of the sample that can be read, and those that the cache knows."""
    options = replace(
        ModelOptions(model=MINI),
        device=model.device,
        batch_size=model.batch_size,
        max_pixels=model.max_pixels,
    )
    encoder = encoder_for(options, run.cache, run.reporter)
    chosen = [paths[row] for row in sample.tolist()]
    embedded = embed_files(chosen, options, encoder, cache=run.cache, reporter=run.reporter)
    vectors = np.empty((len(paths), embedded.vectors.shape[1]), dtype=np.float32)
    known = VectorCache(run.cache, embedded.metadata, vectors.shape[1]).fill(paths, vectors)
    place = dict(zip(chosen, sample.tolist(), strict=True))
    rows = [place[path] for path in embedded.paths]
    vectors[rows] = embedded.vectors
    known[rows] = True
    return np.flatnonzero(known), vectors[known]
