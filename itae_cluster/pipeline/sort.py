"""The main job: pictures to folders."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from itae_cluster.changes import organize
from itae_cluster.changes.apply import apply_plan
from itae_cluster.changes.planning import make_plan
from itae_cluster.clustering import recipe
from itae_cluster.core.cache import open_cache
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import (
    Action,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
    input_options,
)
from itae_cluster.embedding import vector_files
from itae_cluster.pictures import sidecars
from itae_cluster.pipeline.embed import embed_pictures
from itae_cluster.preview.build import write_previews
from itae_cluster.preview.thumbnails import Thumbnails
from itae_cluster.results import centres, manifest
from itae_cluster.results.placements import place_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import CacheOptions
    from itae_cluster.core.types import (
        Choice,
        Clustering,
        Embeddings,
        Encoder,
        Placement,
        Reporter,
        Skipped,
    )
    from itae_cluster.results.plan import Plan

__all__ = [
    "SortResult",
    "organize_result",
    "plan_pictures",
    "sort_pictures",
]


@dataclass(frozen=True)
class SortResult:
    """A finished run. `placed` tells whether the destinations exist in OUT.

    `kept` are the originals that `--action move` could not remove.
    """

    embeddings: Embeddings
    clustering: Clustering
    placements: tuple[Placement, ...]
    skipped: tuple[Skipped, ...]
    options: Mapping[str, Any]
    placed: bool = False
    kept: tuple[Skipped, ...] = ()

    def document(self) -> dict[str, Any]:
        """The manifest of this run."""
        metadata = manifest.head(self.embeddings.metadata, self.options)
        return manifest.document(metadata, self.placements, self.skipped, placed=self.placed)


def sort_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    *,
    embeddings_file: str | None = None,
    encoder: Encoder | None = None,
    caching: CacheOptions | None = None,
    reporter: Reporter,
) -> SortResult:
    """The main job: scan, embed, cluster and, where OUT is given, organize.

    Args:
        inputs: which pictures.
        model: how they are embedded.
        clustering: how they are clustered.
        output: where the result goes; without `out` nothing is written.
        embeddings_file: vectors made by `embed`, in place of pictures and model.
        encoder: used in place of the model that `model` names.
        caching: where embeddings are kept between runs; None for nowhere.
        reporter: told of progress, skips and warnings.

    Raises:
        ItaeClusterError: of the stage that failed; nothing of the user's is changed then.
    """
    if output.out is not None:
        organize.check_output(output.out)
    with open_cache(caching, reporter) as cache:
        wanted = output.out is not None and not output.dry_run
        result, thumbnails = _clustered(
            inputs,
            model,
            clustering,
            output,
            embeddings_file,
            encoder,
            cache,
            reporter,
            keep_thumbnails=wanted,
        )
        if not wanted:
            return result
        return organize_result(result, output, thumbnails, cache, reporter)


def plan_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    *,
    embeddings_file: str | None = None,
    encoder: Encoder | None = None,
    caching: CacheOptions | None = None,
    reporter: Reporter,
) -> Plan:
    """The job of `itae-cluster plan`: all of `sort_pictures` up to the first byte that is written.

    Raises:
        ItaeClusterError: of the stage that failed.
    """
    assert output.out is not None  # the command line requires it
    organize.check_output(output.out)
    with open_cache(caching, reporter) as cache:
        result, _ = _clustered(
            inputs,
            model,
            clustering,
            output,
            embeddings_file,
            encoder,
            cache,
            reporter,
            keep_thumbnails=False,
        )
        return plan_result(result, output, cache, reporter)


def _clustered(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    embeddings_file: str | None,
    encoder: Encoder | None,
    cache: Cache,
    reporter: Reporter,
    *,
    keep_thumbnails: bool,
) -> tuple[SortResult, Mapping[str, bytes]]:
    thumbnails = Thumbnails()
    if embeddings_file is not None:
        _check_no_pictures(inputs, model)
        embeddings = vector_files.load(embeddings_file)
    else:
        embeddings = embed_pictures(
            inputs,
            model,
            cache=cache,
            check=partial(recipe.check_size, dim=None, options=clustering),
            out=output.out,
            encoder=encoder,
            on_picture=thumbnails.keep if keep_thumbnails else None,
            reporter=reporter,
        )
    found = recipe.cluster_vectors(embeddings.vectors, clustering, cache=cache, reporter=reporter)
    followers = sidecars.find(embeddings.paths) if output.sidecars else None
    result = SortResult(
        embeddings,
        found,
        place_pictures(embeddings.paths, found, followers),
        embeddings.skipped,
        _options(inputs, model, clustering, output, embeddings_file, found.choice),
    )
    return result, thumbnails.kept


def organize_result(
    result: SortResult,
    output: OutputOptions,
    thumbnails: Mapping[str, bytes],
    cache: Cache,
    reporter: Reporter,
) -> SortResult:
    """Write OUT: pictures, manifest, table, preview and model; then, for `move`, remove originals.

    Args:
        result: what to write.
        output: the folder to make, and how pictures come there.
        thumbnails: JPEG bytes by path, as far as they were kept.
        cache: where digests, other thumbnails and the map may be known from.
        reporter: told of progress and of sources that vanished.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
        BusyError: if another process is at work there.
    """
    made = plan_result(result, output, cache, reporter)

    def draw(staging: str, placed: Sequence[Placement]) -> None:
        shown = replace(result, placements=tuple(placed))
        _write_previews(shown, staging, output, thumbnails, cache, reporter)
        centres.write(centres.measure_centres(result.embeddings, result.clustering), staging)

    applied = apply_plan(made, reporter, draw=draw)
    return replace(
        result,
        placements=applied.placed,
        skipped=made.skipped + applied.lost,
        placed=True,
        kept=applied.kept,
    )


def plan_result(
    result: SortResult, output: OutputOptions, cache: Cache, reporter: Reporter
) -> Plan:
    """The plan of a run, for OUT as the options name it.

    Raises:
        OutputError: if every picture has gone.
    """
    assert output.out is not None  # the callers see to it
    return make_plan(
        result.placements,
        result.skipped,
        manifest.head(result.embeddings.metadata, result.options),
        out=output.out,
        action=output.action,
        cache=cache,
        reporter=reporter,
    )


def _write_previews(
    result: SortResult,
    staging: str,
    output: OutputOptions,
    thumbnails: Mapping[str, bytes],
    cache: Cache,
    reporter: Reporter,
) -> None:
    write_previews(
        staging,
        result.embeddings,
        result.clustering,
        result.placements,
        title=_title(result),
        seed=int(result.options["clustering"]["seed"]),
        thumbnails=thumbnails,
        contact_sheets=output.contact_sheets,
        sources=_found_at(result, output),
        cache=cache,
        reporter=reporter,
    )


def _found_at(result: SortResult, output: OutputOptions) -> dict[str, str]:
    """Where each picture lies when the run is over: `move` leaves none where it was."""
    places = {path: os.path.abspath(path) for path in result.embeddings.paths}
    if output.out is not None and output.action is Action.MOVE:
        root = os.path.abspath(output.out)
        places |= {item.source: os.path.join(root, item.destination) for item in result.placements}
    return places


def _title(result: SortResult) -> str:
    """The name of the folder where it is one."""
    paths = result.options["paths"]
    name = os.path.basename(os.path.abspath(paths[0])) if len(paths) == 1 else ""
    return name or "itae-cluster"


def _check_no_pictures(inputs: InputOptions, model: ModelOptions) -> None:
    if inputs != InputOptions():
        raise UsageError(
            "--embeddings takes the place of PATHS, --only and --exclude; leave one out"
        )
    if model != ModelOptions():
        raise UsageError("--embeddings holds finished vectors; leave out the options of the model")


def _options(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    embeddings_file: str | None,
    choice: Choice | None,
) -> dict[str, Any]:
    return {
        **input_options(inputs),
        "embeddings": embeddings_file,
        "model": model.record(),
        "clustering": {**asdict(clustering), "choice": asdict(choice) if choice else None},
        "output": asdict(output),
    }
