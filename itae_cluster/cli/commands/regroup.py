"""`itae-cluster merge OUT A B` and `itae-cluster split OUT A --k 4`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, with_option_groups
from itae_cluster.cli.output import write_pairs
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import ClusterOptions, DeviceName, ModelOptions
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from itae_cluster.pipeline.regroup import RegroupResult

__all__ = ["merge", "split"]

_FOLDER = "A cluster, by its folder, such as cluster-003."


def merge(
    out: given.Out,
    folders: Annotated[list[str], typer.Argument(metavar="FOLDERS", help=_FOLDER)],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="What the cluster is called then; what the first is called where not given.",
            show_default=False,
        ),
    ] = None,
    dry_run: given.DryRun = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Put two or more clusters of a result together, in the folder of the first.

    Manifest, table and previews follow, and later updates; 'itae-cluster undo' takes it back.
    """
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline.regroup import merge_clusters

        done = merge_clusters(out, folders, reporter, name=name, dry_run=dry_run)
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
            rich_help_panel=given.CLUSTERING,
            show_default=False,
        ),
    ],
    dry_run: given.DryRun = False,
    seed: given.Seed = ClusterOptions.seed,
    weights: given.Weights = ModelOptions.weights,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    offline: given.Offline = ModelOptions.offline,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Take one cluster of a result apart, with K-Means on the embeddings of its pictures.

    The largest part stays in its folder, the others get new ones beside it. Manifest,
    table and previews follow, and later updates; 'itae-cluster undo' takes it back.
    """
    asked = ModelOptions(weights=weights, device=device, batch_size=batch_size, offline=offline)
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline.regroup import split_cluster

        done = split_cluster(
            out, folder, k, asked, reporter, seed=seed, dry_run=dry_run, caching=cache_options
        )
    _tell(done, reporter, dry_run=dry_run)


def _tell(done: RegroupResult, reporter: ConsoleReporter, *, dry_run: bool) -> None:
    if dry_run:
        write_pairs("move", done.shifts)
    sizes = ", ".join(
        f"{quantity(size, 'picture')} in {folder}" for folder, size in done.sizes.items()
    )
    reporter.summary(f"{sizes}; dry run, nothing was changed" if dry_run else sizes)
