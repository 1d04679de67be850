"""`itae-cluster update OUT PATHS…`: new pictures into a result that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, PictureGroup, with_option_groups
from itae_cluster.cli.output import Format, check_kept, check_strict, write_plan, write_result
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import DeviceName, ModelOptions, OutputOptions, parse_theta
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from itae_cluster.pipeline.update import UpdateResult

__all__ = ["update"]


@with_option_groups
def update(
    *,
    out: given.Out,
    action: given.Action = OutputOptions.action,
    with_sidecars: given.WithSidecars = OutputOptions.sidecars,
    dry_run: given.DryRun = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            metavar="|".join(Format),
            help="What was added, on standard output.",
            rich_help_panel=given.RESULT,
        ),
    ] = None,
    pictures: PictureGroup,
    max_pixels: given.MaxPixels = given.MAX_PIXELS,
    model: given.FrozenModel = None,
    weights: given.Weights = ModelOptions.weights,
    theta: given.FrozenTheta = None,
    size: given.FrozenSize = None,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    offline: given.Offline = ModelOptions.offline,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Add new pictures to a result, each to its nearest cluster.

    The model and the clusters stay as they are. A picture that is farther from every cluster than
    their own pictures goes to unclustered. What is in the result already, or was taken out of it by
    hand, is not added; renamed folders and pictures moved by hand are respected.
    """
    pictures.check_named()
    inputs = pictures.read()
    output = OutputOptions(out, action, dry_run, with_sidecars)
    pixels = given.parse_size("--max-pixels", max_pixels)
    asked = ModelOptions(
        model or ModelOptions.model,
        weights=weights,
        theta=ModelOptions.theta if theta is None else parse_theta(theta),
        size=size,
        device=device,
        batch_size=batch_size,
        offline=offline,
        max_pixels=pixels,
    )
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline.update import update_result

        updated = update_result(inputs, asked, output, caching=cache_options, reporter=reporter)
    if format_ is not None:
        write_result(updated.result, format_)
    elif dry_run:
        write_plan(updated.result, out)
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
        text += f"; {updated.known} were there before, or are equal to others"
    if updated.result.skipped:
        text += f"; {len(updated.result.skipped)} skipped"
    return f"{text}; dry run, nothing was changed" if dry_run else text
