"""`itae-cluster update OUT PATHS…`: new pictures into a result that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import (
    CacheGroup,
    FrozenModelGroup,
    PictureGroup,
    with_option_groups,
)
from itae_cluster.cli.output import Format, check_kept, check_strict, write_plan, write_result
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import OutputOptions
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from itae_cluster.pipeline.update import UpdateResult

__all__ = ["update"]


@with_option_groups
def update(
    *,
    out: given.Out,
    action: given.Action = OutputOptions.action,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "-n",
            help="Print what would be done, and change nothing.",
            rich_help_panel=given.RESULT,
        ),
    ] = False,
    with_sidecars: given.WithSidecars = OutputOptions.sidecars,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="|".join(Format),
            help="Print what was added, in this format.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ] = None,
    pictures: PictureGroup,
    model: FrozenModelGroup,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Add new pictures to a result, each to its nearest cluster.

    The model and the clusters stay as they are. A picture that is farther from every cluster than
    the cluster's own pictures are goes to the folder unclustered. Pictures that are in the result
    already, or that you took out of it, are not added. Folders that you renamed and pictures that
    you moved stay as you left them.

    Examples:
        itae-cluster update ./sorted ./new-photos
        itae-cluster update ./sorted ./new-photos --action move --dry-run
    """
    given.check_result(out)
    pictures.check_named()
    inputs = pictures.read()
    output = OutputOptions(out, action, dry_run, with_sidecars)
    asked = model.options()
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.update import update_result

        with open_run(reporter, cache_options) as run:
            updated = update_result(inputs, asked, output, run)
    if format_ is not None:
        write_result(updated.result, format_)
    elif dry_run:
        write_plan(updated.result.placements, output)
    if updated.advice:
        reporter.note(updated.advice)
    reporter.summary(_summary(updated, dry_run=dry_run))
    check_kept(updated.result.kept, reporter)
    check_strict(strict, updated.result.skipped)


def _summary(updated: UpdateResult, *, dry_run: bool) -> str:
    new = len(updated.result.placements)
    text = f"{quantity(new, 'picture')} added" if new else "nothing to add"
    if new and updated.beyond:
        text += f", {updated.beyond} of them ({updated.beyond / new:.0%}) near no cluster"
    if updated.known:
        text += f"; {updated.known} already there, or equal to others"
    if damaged := updated.result.embeddings.damaged:
        text += f"; {len(damaged)} damaged"
    if updated.result.skipped:
        text += f"; {len(updated.result.skipped)} skipped"
    return f"{text}; dry run, nothing was changed" if dry_run else text
