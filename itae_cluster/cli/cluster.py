"""`itae-cluster PATHS… --k 20 --out ./sorted`: the main job."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.cli.results import Format, write_plan, write_result
from itae_cluster.errors import OutputError, UsageError
from itae_cluster.options import (
    Action,
    Algorithm,
    CacheOptions,
    ClusterOptions,
    DeviceName,
    ModelOptions,
    OutputOptions,
)
from itae_cluster.types import NOISE

if TYPE_CHECKING:
    from itae_cluster.pipeline import Result

__all__ = ["cluster", "finish"]

_OUTPUT = "Result"


def cluster(
    paths: given.Paths = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", "-k", metavar="N", help="Number of clusters.", rich_help_panel=given.CLUSTERING
        ),
    ] = ClusterOptions.k,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="A new folder for the result; without it nothing is written.",
            rich_help_panel=_OUTPUT,
        ),
    ] = OutputOptions.out,
    action: Annotated[
        Action,
        typer.Option(
            metavar="|".join(Action),
            help="How pictures come into the result.",
            rich_help_panel=_OUTPUT,
        ),
    ] = OutputOptions.action,
    contact_sheets: Annotated[
        bool,
        typer.Option(
            "--contact-sheets",
            help="Also write contact/cluster-007.jpg, …: each cluster's pictures on one sheet.",
            rich_help_panel=_OUTPUT,
        ),
    ] = OutputOptions.contact_sheets,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Print what would be done and write nothing.",
            rich_help_panel=_OUTPUT,
        ),
    ] = OutputOptions.dry_run,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="|".join(Format),
            help="Results on standard output; tsv where --out is not given.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    algorithm: Annotated[
        Algorithm,
        typer.Option(
            metavar="|".join(Algorithm),
            help="hdbscan finds the number itself.",
            rich_help_panel=given.CLUSTERING,
        ),
    ] = ClusterOptions.algorithm,
    min_cluster_size: given.MinClusterSize = ClusterOptions.min_cluster_size,
    assign_noise: given.AssignNoise = ClusterOptions.assign_noise,
    restarts: Annotated[
        int,
        typer.Option(
            metavar="N", help="kmeans: starts, the best is kept.", rich_help_panel=given.CLUSTERING
        ),
    ] = ClusterOptions.restarts,
    seed: given.Seed = ClusterOptions.seed,
    embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Vectors made by 'itae-cluster embed', in place of PATHS.",
            rich_help_panel="Pictures",
        ),
    ] = None,
    exclude: given.Exclude = None,
    only: given.Only = None,
    null: given.Null = False,
    model: given.Model = ModelOptions.model,
    weights: given.Weights = ModelOptions.weights,
    theta: given.Theta = ModelOptions.theta,
    size: given.Size = ModelOptions.size,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    precision: given.Precision = ModelOptions.precision,
    offline: given.Offline = ModelOptions.offline,
    cache: given.CacheFolder = CacheOptions.folder,
    no_cache: given.NoCache = CacheOptions.off,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Sort pictures into clusters (the default command).

    With --out, the pictures are copied into one folder a cluster, beside a manifest and a map of
    the whole collection. Without it, path and cluster of each picture go to standard output.
    """
    if not paths and embeddings is None and only is None:
        raise UsageError("name pictures or folders, - for a list, --only FILE or --embeddings FILE")
    cluster_options = ClusterOptions(algorithm, k, restarts, min_cluster_size, assign_noise, seed)
    output = OutputOptions(out, action, dry_run, contact_sheets)
    model_options = ModelOptions(
        model, weights, theta, size, device, batch_size, offline, precision
    )
    caching = CacheOptions(cache, no_cache)
    inputs = given.read_inputs(paths, null, exclude, only)
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline import sort_pictures

        result = sort_pictures(
            inputs,
            model_options,
            cluster_options,
            output,
            embeddings_file=embeddings,
            caching=caching,
            reporter=reporter,
        )
    if output.dry_run and output.out is not None and format_ is None:
        write_plan(result, output.out)
    elif format_ is not None or output.out is None:
        write_result(result, format_ or Format.TSV)
    finish(result, output, reporter, strict=strict)


def finish(
    result: Result, output: OutputOptions, reporter: ConsoleReporter, *, strict: bool
) -> None:
    """Close a run: the summary, then the errors that leave a complete result behind.

    Raises:
        OutputError: if `move` had to leave originals.
        StrictError: if `strict` and something was skipped.
    """
    reporter.summary(_summary(result, output))
    for original in result.kept:
        reporter.warn(f"{original.path} is still there: {original.reason}")
    if result.kept:
        raise OutputError(
            f"{len(result.kept)} originals could not be removed and now exist twice; "
            "compare and remove them by hand"
        )
    given.check_strict(strict, result.skipped)


def _summary(result: Result, output: OutputOptions) -> str:
    sizes = Counter(item.cluster for item in result.placements)
    noise = sizes.pop(NOISE, 0)
    counts = f"{sum(sizes.values())} pictures in {len(sizes)} clusters"
    if sizes:
        counts += f" ({max(sizes.values())} to {min(sizes.values())} each)"
    if noise:
        counts += f", {noise} in none"
    if result.skipped:
        counts += f", {len(result.skipped)} skipped"
    if output.out is None:
        return counts
    if output.dry_run:
        return f"{counts}; dry run, nothing was written"
    return f"{counts}; see {os.path.join(output.out, 'preview.html')}"
