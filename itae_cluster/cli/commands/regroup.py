"""`itae-cluster merge OUT A B`, `split OUT A --k 4` and `regroup OUT --k 60`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, ComputeGroup, with_option_groups
from itae_cluster.cli.output import write_pairs
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import ClusterOptions
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from itae_cluster.pipeline.drafts import ChangeResult

__all__ = ["merge", "regroup", "split"]

_FOLDER = "A cluster, by the name of its folder, such as cluster-003."


@with_option_groups
def merge(
    *,
    out: given.Out,
    folders: Annotated[list[str], typer.Argument(metavar="FOLDERS", help=_FOLDER)],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the merged cluster. Default: that of the first.",
            show_default=False,
        ),
    ] = None,
    dry_run: given.DryRun = False,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Put two or more clusters of a result together, in the folder of the first.

    The manifest, the table and the previews are brought up to date, and 'itae-cluster update' goes
    by the new clusters. The merged cluster keeps its suggested name if that still fits, and gets
    another if the cache knows enough. 'itae-cluster undo' takes it back.

    Examples:
        itae-cluster merge ./sorted cluster-003 cluster-007
        itae-cluster merge ./sorted cluster-003 cluster-007 --name Beach
    """
    given.check_result(out)
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.regroup import merge_clusters

        with open_run(reporter, cache_options) as run:
            done = merge_clusters(out, folders, run, name=name, dry_run=dry_run)
    _tell(done, reporter, dry_run=dry_run)


@with_option_groups
def split(
    *,
    out: given.Out,
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help=_FOLDER)],
    k: Annotated[
        int,
        typer.Option(
            "--k",
            "-k",
            metavar="N",
            help="Number of parts.",
            show_default=False,
        ),
    ],
    dry_run: given.DryRun = False,
    seed: given.Seed = ClusterOptions.seed,
    compute: ComputeGroup,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Split one cluster of a result, by K-Means on the embeddings of its pictures.

    The largest part stays in its folder; the others get new folders beside it. The manifest, the
    table and the previews are brought up to date, and 'itae-cluster update' goes by the new
    clusters. 'itae-cluster undo' takes it back.

    Examples:
        itae-cluster split ./sorted cluster-003 --k 4
        itae-cluster split ./sorted cluster-003 --k 4 --dry-run
    """
    given.check_result(out)
    asked = compute.result_model()
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.regroup import SplitOptions, split_cluster

        options = SplitOptions(k=k, seed=seed)
        with open_run(reporter, cache_options) as run:
            done = split_cluster(out, folder, options, asked, run, dry_run=dry_run)
    _tell(done, reporter, dry_run=dry_run)


@with_option_groups
def regroup(
    *,
    out: given.Out,
    k: Annotated[
        int,
        typer.Option(
            "--k",
            "-k",
            metavar="N",
            help="Number of clusters.",
            show_default=False,
        ),
    ],
    dry_run: given.DryRun = False,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Make more clusters of a result, or fewer, without embedding its pictures again.

    Every run keeps finer and coarser clusters than it makes. A cluster keeps its number, its folder
    and its name with the part that holds most of it. Pictures that you moved or called examples go
    where most of their cluster goes; clusters that you made yourself and rejected pictures stay.
    'itae-cluster undo' takes it back.

    Examples:
        itae-cluster regroup ./sorted --k 60
        itae-cluster regroup ./sorted --k 60 --dry-run
    """
    given.check_result(out)
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.regroup import regroup_result

        with open_run(reporter, cache_options) as run:
            done = regroup_result(out, k, run, dry_run=dry_run)
    if dry_run:
        write_pairs("move", done.shifts)
    text = f"{quantity(len(done.sizes), 'cluster')}, {quantity(len(done.shifts), 'file')} moved"
    reporter.summary(f"{text}; dry run, nothing was changed" if dry_run else text)


def _tell(done: ChangeResult, reporter: ConsoleReporter, *, dry_run: bool) -> None:
    if dry_run:
        write_pairs("move", done.shifts)
    sizes = ", ".join(
        f"{quantity(size, 'picture')} in {folder}" for folder, size in done.sizes.items()
    )
    reporter.summary(f"{sizes}; dry run, nothing was changed" if dry_run else sizes)
