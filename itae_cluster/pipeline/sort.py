"""The main job: pictures to folders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from itae_cluster.changes.planning import make_plan
from itae_cluster.changes.staging import check_output
from itae_cluster.clustering import recipe
from itae_cluster.clustering.levels import MOST_CLUSTERS, coarsen
from itae_cluster.clustering.reduce import UmapThread
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import (
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
    StoredVectors,
    input_options,
)
from itae_cluster.core.types import Facts
from itae_cluster.pictures import sidecars
from itae_cluster.pipeline.apply import apply_and_draw
from itae_cluster.pipeline.embed import embed_pictures
from itae_cluster.pipeline.names import Description, describe_pictures, with_facts
from itae_cluster.pipeline.vectors import check_alone, load_vectors
from itae_cluster.preview.build import begin_map
from itae_cluster.preview.collection import Collection
from itae_cluster.preview.thumbnails import Thumbnails, store_thumbnails
from itae_cluster.results import manifest
from itae_cluster.results.cluster_names import safe_folders
from itae_cluster.results.placements import folder_name, place_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Clustering, Embeddings, Placement, Skipped, Suggestion
    from itae_cluster.results.plan import Plan

__all__ = ["RecordedOptions", "SortOptions", "SortResult", "plan_pictures", "sort_pictures"]


_CLUSTERING = "sklearn.cluster"
"""Takes most of a second to import, and OpenVINO compiles a model without holding up Python."""

_FEWEST_NESTED = 4  # clusters; of fewer there is nothing to nest


class RecordedOptions(Protocol):
    """The options of a run that brings pictures into a result."""

    @property
    def output(self) -> OutputOptions | None:
        """Where they go; None where nothing is written."""

    def as_record(self, found: Clustering) -> dict[str, Any]:
        """What the manifest says of them; `found` tells the neighbours and how k was chosen."""


@dataclass(frozen=True, kw_only=True)
class SortOptions:
    """All that the main job was asked for. `output` None: write nothing.

    `stored` are vectors made by `embed`, in place of `inputs` and `model`.
    """

    inputs: InputOptions
    model: ModelOptions
    clustering: ClusterOptions
    output: OutputOptions | None
    stored: StoredVectors | None = None

    def as_record(self, found: Clustering) -> dict[str, Any]:
        """What the manifest says of them."""
        return {
            **input_options(self.inputs),
            "embeddings": self.stored.path if self.stored else None,
            "model": self.model.record(),
            "clustering": {
                **asdict(self.clustering),
                "neighbors": found.neighbours,
                "partition": found.partition,
                "choice": asdict(found.choice) if found.choice else None,
            },
            "output": asdict(self.output) if self.output else None,
        }


@dataclass(frozen=True, kw_only=True)
class SortResult:
    """A finished run. `placed` tells whether the destinations exist in OUT.

    `kept` are the originals that `--action move` could not remove, `suggested` what clusters may be
    called.
    """

    embeddings: Embeddings
    clustering: Clustering
    placements: tuple[Placement, ...]
    skipped: tuple[Skipped, ...]
    options: RecordedOptions
    placed: bool = False
    kept: tuple[Skipped, ...] = ()
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The manifest of this run."""
        return manifest.document(
            self.head(),
            self.placements,
            self.skipped,
            placed=self.placed,
            suggested=self.suggested,
        )

    def head(self) -> dict[str, Any]:
        """The manifest's head: tool, time, model, options, what was passed over or is damaged."""
        found = self.embeddings
        options = self.options.as_record(self.clustering)
        return manifest.head(found.metadata, options, found.passed_over, found.damaged)


def sort_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions | None,
    run: Run,
    *,
    stored: StoredVectors | None = None,
) -> SortResult:
    """The main job: scan, embed, cluster and, where there is an `output`, make that folder.

    Args:
        inputs: which pictures.
        model: how they are embedded.
        clustering: how they are clustered.
        output: where the result goes; None: write nothing.
        run: whom it tells, what it knows already, and perhaps an encoder in place of `model`.
        stored: vectors made by `embed`, in place of pictures and model.

    Raises:
        ItaeClusterError: of the stage that failed; nothing of the user's is changed then.
    """
    options = SortOptions(
        inputs=inputs,
        model=model,
        clustering=clustering,
        output=output,
        stored=stored,
    )
    if output is None:
        return _embed_and_cluster(options, run)
    check_output(output.out)  # before the slow steps
    if output.dry_run:
        return _embed_and_cluster(options, run)
    with UmapThread() as thread:
        thumbnails = Thumbnails() if output.preview else None
        result = _embed_and_cluster(options, run, thumbnails, thread if output.preview else None)
        plan = _plan(result, output, run)
        collection = Collection(
            embeddings=result.embeddings,
            clustering=result.clustering,
            numbers=range(len(result.clustering.centres)),
            placements=result.placements,
            thumbnails=thumbnails.kept if thumbnails else {},
            paths=inputs.paths,
            seed=clustering.seed,
            suggested=result.suggested,
            map_thread=thread,
        )
        applied = apply_and_draw(plan, collection, output, run)
    return replace(
        result,
        placements=applied.placed,
        skipped=plan.skipped + applied.lost,
        placed=True,
        kept=applied.kept,
    )


def plan_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    run: Run,
    *,
    stored: StoredVectors | None = None,
) -> Plan:
    """What `sort_pictures` would do, as a plan that can be carried out later.

    Vectors and thumbnails stay in the cache, so that the previews can be drawn then.

    Args:
        inputs: which pictures.
        model: how they are embedded.
        clustering: how they are clustered.
        output: where the result goes.
        run: whom it tells, what it knows already, and perhaps an encoder in place of `model`.
        stored: vectors made by `embed`, in place of pictures and model.

    Raises:
        ItaeClusterError: of the stage that failed; nothing is written in any case.
    """
    check_output(output.out)
    options = SortOptions(
        inputs=inputs,
        model=model,
        clustering=clustering,
        output=output,
        stored=stored,
    )
    thumbnails = Thumbnails() if output.preview else None
    result = _embed_and_cluster(options, run, thumbnails)
    plan = _plan(result, output, run)
    if thumbnails:
        store_thumbnails(thumbnails.kept, run.cache)
    return plan


def _embed_and_cluster(
    options: SortOptions,
    run: Run,
    thumbnails: Thumbnails | None = None,
    map_thread: UmapThread | None = None,
) -> SortResult:
    """A result that is nowhere yet; thumbnails and the map are made on the way where asked for."""
    output = options.output
    embeddings = _embed(options, run, thumbnails)
    begin = None
    if map_thread:
        seed = options.clustering.seed
        begin = partial(begin_map, map_thread, embeddings.vectors, seed=seed, run=run)
    clustering = recipe.cluster_vectors(
        embeddings.vectors,
        options.clustering,
        cache=run.cache,
        reporter=run.reporter,
        levels=output is not None,
        on_k=begin,
    )
    followers = sidecars.find(embeddings.paths) if output and output.sidecars else None
    known = _describe(embeddings, clustering, options, run)
    placements = place_pictures(
        embeddings.paths, clustering, followers, _folders(clustering, known.suggested, output)
    )
    return SortResult(
        embeddings=embeddings,
        clustering=clustering,
        placements=with_facts(placements, known.facts),
        skipped=embeddings.skipped,
        options=options,
        suggested=known.suggested,
    )


def _embed(options: SortOptions, run: Run, thumbnails: Thumbnails | None) -> Embeddings:
    """The vectors; what is decoded on the way leaves its thumbnail."""
    if options.stored is not None:
        check_alone(options.inputs, options.model)
        return load_vectors(options.stored, run.reporter)
    with ThreadPoolExecutor(1, thread_name_prefix="import") as thread:

        def check(pictures: int) -> None:
            recipe.check_size(pictures, None, options.clustering)
            thread.submit(import_module, _CLUSTERING)

        return embed_pictures(
            options.inputs,
            options.model,
            run,
            out=options.output.out if options.output else None,
            check=check,
            on_picture=thumbnails.keep if thumbnails else None,
        )


def _folders(
    clustering: Clustering, suggested: Mapping[int, Suggestion], output: OutputOptions | None
) -> dict[int, str]:
    """Folders of clusters that are not just called by their numbers."""
    if output is None:
        return {}
    words = {label: each.name for label, each in suggested.items() if each.name}
    folders = safe_folders(words) if output.name_folders else {}
    k, levels = len(clustering.centres), clustering.levels
    if not output.nested or k < _FEWEST_NESTED:
        return folders
    if levels is None:
        raise InputError(f"--nested needs at most {MOST_CLUSTERS} clusters; use a smaller --k")
    groups = coarsen(levels, clustering.labels, round(k**0.5))
    return {
        label: f"group-{group:03d}/{folders.get(label) or folder_name(label, k)}"
        for label, group in enumerate(groups.tolist())
    }


def _describe(
    embeddings: Embeddings, clustering: Clustering, options: SortOptions, run: Run
) -> Description:
    if options.output is None:
        return Description(facts=[Facts()] * len(embeddings.paths))
    # The pictures of a vector file may be elsewhere, and an encoder of the caller's may be a fake.
    pictures = None if options.stored or run.encoder else options.model
    by_name = options.output.names
    return describe_pictures(embeddings, clustering, pictures, run, by_name=by_name)


def _plan(result: SortResult, output: OutputOptions, run: Run) -> Plan:
    plan = make_plan(result.placements, result.skipped, result.head(), output, run)
    levels = result.clustering.levels
    merges = None if levels is None else tuple((a, b) for a, b in levels.merges.tolist())
    return replace(plan, suggested=result.suggested, merges=merges)
