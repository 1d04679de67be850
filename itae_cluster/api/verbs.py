"""The verbs; each reads its keywords, does one job and wraps what came of it."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from itae_cluster.api.keywords import (
    AnyPath,
    ClusterKeywords,
    K,
    ModelKeywords,
    SortKeywords,
    choose,
    cluster_options,
    model_options,
    read_paths,
    refuse,
)
from itae_cluster.api.log import LogReporter
from itae_cluster.api.results import Calibration, Cluster, Embeddings, Labels, Result
from itae_cluster.changes.undo import UndoResult, undo_result
from itae_cluster.core import types
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import (
    Action,
    CalibrationOptions,
    DeviceName,
    OutputOptions,
)
from itae_cluster.core.run import open_run
from itae_cluster.core.types import NOISE
from itae_cluster.embedding.vector_files import unit_rows
from itae_cluster.pipeline.calibrate import run_calibration
from itae_cluster.pipeline.embed import embed_pictures
from itae_cluster.pipeline.sort import sort_pictures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from itae_cluster.model.itae import ITAE
    from itae_cluster.pipeline.sort import SortResult

__all__ = ["calibrate", "cluster", "embed", "load_model", "sort", "undo"]


def sort(
    paths: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    *,
    k: K = "auto",
    action: str = Action.COPY,
    sidecars: bool = False,
    **options: Unpack[SortKeywords],
) -> Result:
    """Sort pictures into the new folder `out`, one subfolder a cluster, with manifest and preview.

    Args:
        paths: pictures and folders of pictures.
        out: a new or empty folder; it appears complete or not at all.
        k: number of clusters.
        action: "copy", "hardlink", "symlink" or "move"; nothing is ever overwritten.
        sidecars: whether `.xmp`, `.aae`, RAW and `.mov` files follow their picture.
        options: see `SortKeywords`, `ModelKeywords` and `ClusterKeywords`.

    Raises:
        ItaeClusterError: of the stage that failed; nothing of yours is changed then.
    """
    given = dict(options)
    names = bool(given.pop("names", True))
    model, caching, exclude = model_options(given)
    clustering = cluster_options(k, given)
    output = OutputOptions(os.fspath(out), choose(Action, action), sidecars=sidecars, names=names)
    with open_run(LogReporter(), caching) as run:
        result = sort_pictures(read_paths(paths, exclude), model, clustering, output, run)
    return _result(output.out, result)


def embed(paths: AnyPath | Iterable[AnyPath], **options: Unpack[ModelKeywords]) -> Embeddings:
    """Embed pictures: (n, D) float32, rows of length 1.

    Args:
        paths: pictures and folders of pictures.
        options: see `ModelKeywords`.

    Raises:
        ItaeClusterError: if there is no picture that can be read, or no such model.
    """
    model, caching, exclude = model_options(given := dict(options))
    refuse(given)
    with open_run(LogReporter(), caching) as run:
        return Embeddings.of(embed_pictures(read_paths(paths, exclude), model, run))


def cluster(
    vectors: ArrayLike | types.Embeddings, *, k: K = "auto", **options: Unpack[ClusterKeywords]
) -> Labels:
    """Cluster vectors of any origin by cosine.

    Args:
        vectors: `Embeddings`, or (n, D) numbers; rows are brought to length 1.
        k: number of clusters; not for "hdbscan", which finds it itself.
        options: see `ClusterKeywords`.

    Raises:
        ItaeClusterError: if the vectors or the options cannot be used.
    """
    from itae_cluster.clustering.recipe import cluster_vectors

    clustering = cluster_options(k, given := dict(options))
    refuse(given)
    clusters = cluster_vectors(_unit_rows(vectors), clustering, reporter=LogReporter())
    return Labels(clusters.labels, clusters.centres, clusters.distances, clusters.membership)


def calibrate(
    paths: AnyPath | Iterable[AnyPath],
    *,
    sample: int = CalibrationOptions.sample,
    seed: int = 0,
    **options: Unpack[ModelKeywords],
) -> Calibration:
    """Look for ITAE's threshold θ in the query norms of a random sample (Sec. 4.2).

    Args:
        paths: pictures and folders of pictures.
        sample: most pictures to measure.
        seed: of the sample.
        options: see `ModelKeywords`; `theta` plays no part.

    Raises:
        ItaeClusterError: if there is no picture that can be read, or no such model.
    """
    model, _, exclude = model_options(given := dict(options))
    refuse(given)
    wanted = CalibrationOptions(sample=sample, seed=seed)
    calibration = run_calibration(read_paths(paths, exclude), model, wanted, LogReporter())
    return Calibration(
        theta=calibration.theta,
        published=calibration.published,
        reason=calibration.finding.reason,
        pictures=len(calibration.sample.paths),
        skipped=calibration.sample.skipped,
        evidence=calibration.document(),
    )


def undo(out: AnyPath, *, dry_run: bool = False) -> UndoResult:
    """Take the last change of a result folder back; the pictures of a sort all return.

    What was edited or added since stays, and is named in `refused`.

    Raises:
        ItaeClusterError: if the folder is no result, or another process is at work there.
    """
    return undo_result(os.fspath(out), LogReporter(), dry_run=dry_run)


def load_model(name: str = "auto", **options: Unpack[ModelKeywords]) -> ITAE:
    """The patched backbone, a `torch.nn.Module` in eval mode on the CPU, in float32.

    It takes (B, 3, 14·h, 14·w) images, normalised by ImageNet's mean and standard deviation, and
    gives (B, D) float32, rows of length 1: CLS after ITAE on the last block (Eq. 2 to 6).

    Args:
        name: as `--model`.
        options: `theta`, `weights` and `offline` of `ModelKeywords`.

    Raises:
        ItaeClusterError: if the model cannot be had.
    """
    from itae_cluster.embedding.encoder import load_exact_encoder

    model, _, _ = model_options(given := {"model": name, **options})
    refuse(given)
    on_cpu = replace(model, device=DeviceName.CPU)
    return load_exact_encoder(on_cpu, LogReporter()).module


def _unit_rows(vectors: ArrayLike | types.Embeddings) -> NDArray[np.float32]:
    """(n, D) float32 rows of length 1."""
    values = vectors.vectors if isinstance(vectors, types.Embeddings) else vectors
    try:
        return unit_rows(np.asarray(values, dtype=np.float32))
    except ValueError as error:
        raise InputError(str(error)) from error


def _result(out: str, result: SortResult) -> Result:
    placed = sorted(result.placements, key=lambda item: (item.cluster, item.distance))
    places: defaultdict[int, list[str]] = defaultdict(list)
    for item in placed:
        places[item.cluster].append(os.path.join(out, item.destination))
    clusters = tuple(
        Cluster(
            number=number,
            folder=os.path.dirname(places[number][0]),
            pictures=tuple(places[number]),
            suggested=result.suggested.get(number),
        )
        for number in sorted(places, key=lambda number: (number == NOISE, number))
    )
    return Result(
        out=out,
        clusters=clusters,
        skipped=result.skipped,
        kept=result.kept,
        manifest=result.document(),
    )
