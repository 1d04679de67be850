"""`itae-cluster PATHS… --k 20 --out ./sorted`: the main job."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.curve import print_curve
from itae_cluster.cli.option_groups import (
    CacheGroup,
    ClusterGroup,
    EmbeddingGroup,
    LabelGroup,
    PictureGroup,
    StoredGroup,
    with_option_groups,
)
from itae_cluster.cli.output import Format, check_kept, check_strict, write_plan, write_result
from itae_cluster.cli.parts import cluster_parts
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import Action, LabelOptions, OutputOptions
from itae_cluster.core.places import is_folder
from itae_cluster.core.text import quantity
from itae_cluster.core.types import NOISE

if TYPE_CHECKING:
    from itae_cluster.pipeline import SortResult

__all__ = ["cluster", "finish"]

_MOST_NAMES = 12  # in the closing words


@with_option_groups
def cluster(
    *,
    k: given.K = given.AUTO_K,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="A new folder for the result. Without it, nothing is written.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ] = None,
    action: given.Action = OutputOptions.action,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Print what would be done, and write nothing.",
            rich_help_panel=given.RESULT,
        ),
    ] = OutputOptions.dry_run,
    with_sidecars: given.WithSidecars = OutputOptions.sidecars,
    nested: given.Nested = OutputOptions.nested,
    contact_sheets: Annotated[
        bool,
        typer.Option(
            "--contact-sheets",
            help="Also draw the pictures of each cluster on a sheet of its own.",
            rich_help_panel=given.RESULT,
        ),
    ] = OutputOptions.contact_sheets,
    no_preview: Annotated[
        bool,
        typer.Option(
            "--no-preview",
            help="Leave out preview.html and preview.png; 'itae-cluster preview' draws them later.",
            rich_help_panel=given.RESULT,
        ),
    ] = not OutputOptions.preview,
    no_names: Annotated[
        bool,
        typer.Option(
            "--no-names",
            help="Suggest no names for clusters.",
            rich_help_panel=given.RESULT,
        ),
    ] = not OutputOptions.names,
    name_folders: Annotated[
        bool,
        typer.Option(
            "--name-folders",
            help="Call folders by the suggested names, where there are any: church, dog-2.",
            rich_help_panel=given.RESULT,
        ),
    ] = OutputOptions.name_folders,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="|".join(Format),
            help="Print the result in this format. Default: tsv, if there is no --out.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ] = None,
    pictures: PictureGroup,
    vectors: StoredGroup,
    embedding: EmbeddingGroup,
    clustering: ClusterGroup,
    labelling: LabelGroup,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Sort pictures into clusters (the default command).

    With --out, the pictures are copied into one folder per cluster, beside a manifest and a page
    that shows the whole collection. Without it, the path and the cluster of each picture are
    printed.

    Examples:
        itae-cluster ./photos --k 20 --out ./sorted
        itae-cluster ./photos --action move --out ./sorted --dry-run
    """
    pictures.check_given(vectors.embeddings)
    cluster_options = clustering.options(k)
    output = None
    if out is not None:
        output = OutputOptions(
            out,
            action,
            dry_run,
            with_sidecars,
            contact_sheets,
            preview=not no_preview,
            names=not no_names,
            name_folders=name_folders,
            nested=nested,
        )
    elif (
        dry_run
        or with_sidecars
        or contact_sheets
        or no_preview
        or no_names
        or name_folders
        or nested
        or action is not Action.COPY
    ):
        raise UsageError(
            "--dry-run, --action, --with-sidecars, --contact-sheets, --no-preview, --no-names, "
            "--name-folders and --nested need --out DIR; without it nothing is written"
        )
    if no_names and name_folders:
        raise UsageError("--no-names and --name-folders contradict each other; leave one out")
    model_options = embedding.options_beside(vectors.embeddings)
    stored = vectors.options()
    label_options = labelling.options()
    cache_options = caching.options()
    inputs = pictures.read()
    if stored is not None and output is None and is_folder(stored.path):
        from itae_cluster.pipeline.vectors import check_alone

        check_alone(inputs, model_options)
        with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
            cluster_parts(stored, cluster_options, label_options, cache_options, format_, reporter)
        return
    if label_options != LabelOptions():
        raise UsageError(
            "--labels and --ray belong to --embeddings DIR without --out, where DIR is a folder "
            "that 'embed --ray' made; leave them out"
        )
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline import sort_pictures

        with open_run(reporter, cache_options) as run, pictures.explain_too_few():
            result = sort_pictures(
                inputs, model_options, cluster_options, output, run, stored=stored
            )
    choice = result.clustering.choice
    if choice is not None and choice.scores and reporter.terminal is not None:
        print_curve(choice, reporter.terminal)
    if format_ is not None or output is None:
        write_result(result, format_ or Format.TSV)
    elif output.dry_run:
        write_plan(result.placements, output)
    finish(result, output, reporter, strict=strict)


def finish(
    result: SortResult, output: OutputOptions | None, reporter: ConsoleReporter, *, strict: bool
) -> None:
    """Close a run: the summary, then the errors that leave a complete result behind.

    Raises:
        OutputError: if `move` had to leave originals.
        StrictError: if `strict` and something was skipped.
    """
    if named := _named(result):
        reporter.note(named)
    reporter.summary(_summary(result, output))
    check_kept(result.kept, reporter)
    check_strict(strict, result.skipped)


def _named(result: SortResult) -> str:
    """The clusters that have a name, largest first: `42 church · 38 dog · …`."""
    sizes = Counter(item.cluster for item in result.placements)
    names = {label: each.name for label, each in result.suggested.items() if each.name}
    shown = [f"{size} {names[label]}" for label, size in sizes.most_common() if label in names]
    more = ["…"] if len(shown) > _MOST_NAMES else []
    return " · ".join([*shown[:_MOST_NAMES], *more])


def _summary(result: SortResult, output: OutputOptions | None) -> str:
    sizes = Counter(item.cluster for item in result.placements)
    noise = sizes.pop(NOISE, 0)
    counts = f"{quantity(sum(sizes.values()), 'picture')} in {quantity(len(sizes), 'cluster')}"
    if sizes:
        most, fewest = max(sizes.values()), min(sizes.values())
        counts += f" ({most} to {fewest} each)" if most > fewest else f" ({most} each)"
    if noise:
        counts += f", {noise} in none"
    if followers := sum(len(item.sidecars) for item in result.placements):
        counts += f", {quantity(followers, 'sidecar')}"
    if result.embeddings.damaged:
        counts += f", {len(result.embeddings.damaged)} damaged"
    if result.skipped:
        counts += f", {len(result.skipped)} skipped"
    if output is None:
        return counts
    if output.dry_run:
        return f"{counts}; dry run, nothing was written"
    return f"{counts}; see {os.path.join(output.out, 'preview.html' if output.preview else '')}"
