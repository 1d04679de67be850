"""Judging a model on labelled pictures: the tables of the ITAE paper, on anybody's data.

Each model embeds the pictures once; `original` and `ITAE` differ in the CLS row of its last block
alone. Both are then clustered from the same starts (see `protocol`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.recipe import check_size
from itae_cluster.core.errors import InputError, ModelError
from itae_cluster.core.options import InputOptions
from itae_cluster.core.text import printable
from itae_cluster.embedding.deferred import load_float32_encoder
from itae_cluster.model.registry import AUTO, variant
from itae_cluster.paper.labels import (
    FolderPictures,
    LabelledPictures,
    check_classes,
    open_torchvision,
)
from itae_cluster.paper.protocol import Clusterer, KMeansOnce, RecipeOnce, Repeats, run_protocol
from itae_cluster.paper.report import (
    ITAE,
    ORIGINAL,
    EvalOptions,
    Evaluation,
    ModelScores,
    ScoredVariant,
)
from itae_cluster.paper.scores import knn_accuracy
from itae_cluster.pictures.scan import find_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Reporter, Skipped
    from itae_cluster.embedding.encoder import TorchEncoder
    from itae_cluster.paper.scores import Scores

__all__ = ["evaluate_models"]


def evaluate_models(
    options: EvalOptions, models: Sequence[ModelOptions], reporter: Reporter
) -> Evaluation:
    """The job of `itae-cluster eval`: read, embed once a model, cluster many times, compare.

    Args:
        options: which pictures, and what is measured.
        models: the models to compare, one or more.
        reporter: told of progress, skips and warnings.

    Raises:
        UsageError: if a model's name is unknown.
        InputError: if the pictures have no labels, one class only, or are too few.
        ModelError: if a model cannot be had, or its vectors are not numbers.
    """
    for model in models:  # a slip in the last name must not cost the runs of the others
        if model.model != AUTO:
            variant(model.model)
    pictures, train = _sources(options, reporter)
    classes = check_classes(pictures.labels, pictures.name)
    check_size(len(pictures.labels), None, options.recipe(classes))
    if train is not None:
        _check_train(pictures, train, options.neighbours or 1)
    judged: list[ModelScores] = []
    known = _LabelledVectors({}, (), ())
    for model in models:
        found, known = _judge(options, model, pictures, train, reporter)
        judged.append(found)
    classes = len(set(known.labels))
    return Evaluation(
        data=pictures.name,
        pictures=len(known.labels),
        classes=classes,
        k=options.recipe(classes).k,
        models=tuple(judged),
        skipped=known.skipped,
        options=options,
        model_options=tuple(models),
    )


def _sources(
    options: EvalOptions, reporter: Reporter
) -> tuple[LabelledPictures, LabelledPictures | None]:
    """The pictures to judge on, and those to learn from, where k-NN is asked for."""
    train: LabelledPictures | None = None
    if options.torchvision is not None and options.root is not None:
        if options.neighbours:
            train = open_torchvision(options.torchvision, options.root, train=True)
        return open_torchvision(options.torchvision, options.root, train=False), train
    assert options.folder is not None  # EvalOptions sees to it
    pictures = _folder(options.folder, options.excludes, reporter)
    if options.train is not None:
        train = _folder(options.train, options.excludes, reporter)
    return pictures, train


def _folder(root: str, excludes: tuple[str, ...], reporter: Reporter) -> FolderPictures:
    if not os.path.isdir(root):
        raise InputError(
            f"{printable(root)} is not a folder; name one that has a subfolder of pictures for "
            "each class"
        )
    found = find_pictures(InputOptions(paths=(root,), excludes=excludes), None, reporter)
    return FolderPictures(root, found.files, reporter)


def _check_train(pictures: LabelledPictures, train: LabelledPictures, neighbours: int) -> None:
    if not set(pictures.labels) & set(train.labels):
        raise InputError(
            f"{printable(train.name)} and {printable(pictures.name)} have no class in common; "
            "give --train a folder with the same subfolder names"
        )
    if neighbours > len(train.labels):
        raise InputError(
            f"--knn {neighbours} asks for more neighbours than there are training pictures "
            f"({len(train.labels)}); use --knn {len(train.labels)} or less"
        )


@dataclass(frozen=True)
class _LabelledVectors:
    """Vectors of each variant, (n, D), the n labels, and what was skipped."""

    vectors: Mapping[str, NDArray[np.float32]]
    labels: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def _judge(
    options: EvalOptions,
    model: ModelOptions,
    pictures: LabelledPictures,
    train: LabelledPictures | None,
    reporter: Reporter,
) -> tuple[ModelScores, _LabelledVectors]:
    encoder = load_float32_encoder(model, reporter)
    thetas = _thetas(encoder, reporter)
    embedded = _embed(encoder, thetas, pictures, model.small_batch, reporter)
    classes = check_classes(embedded.labels, pictures.name)
    _warn_of_no_effect(embedded.vectors, thetas, reporter)
    knn: Mapping[str, float] = {}
    if train is not None and options.neighbours is not None:
        learnt = _embed(encoder, thetas, train, model.small_batch, reporter)
        knn = _knn(learnt, embedded, options.neighbours, reporter)
    sets = _cluster(options, classes, embedded, reporter)
    variants = tuple(
        ScoredVariant(name, theta, sets[name], knn.get(name)) for name, theta in thetas.items()
    )
    return ModelScores(encoder.metadata, variants), embedded


def _thetas(encoder: TorchEncoder, reporter: Reporter) -> dict[str, float | None]:
    """θ of each variant; ITAE is left out where it is off."""
    theta = encoder.metadata["theta"]
    if theta is None:
        reporter.note(
            f"ITAE is off for {encoder.metadata['name']}, so only 'original' is shown; --theta N "
            "forces a threshold"
        )
        return {ORIGINAL: None}
    return {ORIGINAL: None, ITAE: float(theta)}


def _embed(
    encoder: TorchEncoder,
    thetas: Mapping[str, float | None],
    pictures: LabelledPictures,
    batch_size: int,
    reporter: Reporter,
) -> _LabelledVectors:
    """Embed the pictures once: the variants differ in the last block alone."""
    from itae_cluster.model.itae import Settings

    each = [None if theta is None else Settings(theta) for theta in thetas.values()]
    parts: list[NDArray[np.float32]] = []
    labels: list[str] = []
    skipped: list[Skipped] = []
    for batch in pictures.batches(encoder.size, batch_size, reporter):
        skipped += batch.skipped
        if batch.labels:
            labels += batch.labels
            parts.append(encoder.encode_each(batch.pixels, each))  # (S, B, D)
            _check_finite(parts[-1], encoder.metadata)
    stacked = np.concatenate(parts, axis=1)  # (S, n, D)
    vectors = dict(zip(thetas, stacked, strict=True))
    return _LabelledVectors(vectors, tuple(labels), tuple(skipped))


def _check_finite(vectors: NDArray[np.float32], metadata: Mapping[str, Any]) -> None:
    if not np.isfinite(vectors).all():
        raise ModelError(
            f"the model {metadata['name']} gives vectors that are not numbers (NaN), so its "
            f"weights are damaged: {metadata['weights']}; get them again, or give other --weights"
        )


def _warn_of_no_effect(
    vectors: Mapping[str, NDArray[np.float32]],
    thetas: Mapping[str, float | None],
    reporter: Reporter,
) -> None:
    if ITAE in vectors and np.array_equal(vectors[ORIGINAL], vectors[ITAE]):
        reporter.warn(
            f"theta {thetas[ITAE]:g} changes nothing: all tokens of every picture lie on one side "
            "of it; 'itae-cluster calibrate' shows where the query norms lie"
        )


def _knn(
    learnt: _LabelledVectors, judged: _LabelledVectors, k: int, reporter: Reporter
) -> dict[str, float]:
    reporter.progress("Nearest neighbours", 0, None)
    return {
        name: knn_accuracy(learnt.vectors[name], learnt.labels, vectors, judged.labels, k)
        for name, vectors in judged.vectors.items()
    }


def _cluster(
    options: EvalOptions, classes: int, embedded: _LabelledVectors, reporter: Reporter
) -> dict[str, tuple[Scores, ...]]:
    clusterer: Clusterer
    runs = options.runs
    recipe = options.recipe(classes)
    check_size(len(embedded.labels), None, recipe)
    if options.is_protocol:
        clusterer = KMeansOnce(recipe.k or classes)
    else:
        clusterer, runs = RecipeOnce(recipe), 1
        reporter.info(f"runs once a set, {options.sets} times, each from its own seed")
    found = run_protocol(
        embedded.vectors,
        embedded.labels,
        clusterer=clusterer,
        repeats=Repeats(sets=options.sets, runs=runs, seed=options.clustering.seed),
        reporter=reporter,
    )
    for name, sets in found.items():
        # Any cluster at all holds a picture of its own class, so only noise alone scores 0.
        empty = sum(scores.acc == 0 for scores in sets)
        if empty:
            reporter.warn(
                f"{name}: {empty} of {len(sets)} sets have no cluster, only noise; lower "
                "--min-cluster-size or use --algorithm kmeans"
            )
    return found
