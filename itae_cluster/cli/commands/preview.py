"""`itae-cluster preview OUT`: redraw the previews of a result."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, with_option_groups
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import DeviceName, ModelOptions
from itae_cluster.core.text import quantity

__all__ = ["preview"]


@with_option_groups
def preview(
    *,
    out: given.Out,
    contact_sheets: Annotated[
        bool,
        typer.Option(
            "--contact-sheets",
            help="Also draw contact/cluster-007.jpg, …: each cluster's pictures on one sheet.",
            rich_help_panel=given.RESULT,
        ),
    ] = False,
    weights: given.Weights = ModelOptions.weights,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    offline: given.Offline = ModelOptions.offline,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Redraw preview.html and preview.png of a result, on a new map of all its pictures.

    Use it for a result that has no preview, whose page you edited, or that has had many updates.
    Embeddings come from the cache; pictures that are not in it are embedded again. A result
    without centres gets them, so that 'itae-cluster update' can add pictures to it. 'itae-cluster
    undo' takes it back.

    Examples:
        itae-cluster preview ./sorted
        itae-cluster preview ./sorted --contact-sheets
    """
    asked = ModelOptions(weights=weights, device=device, batch_size=batch_size, offline=offline)
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.preview import draw_preview

        with open_run(reporter, cache_options) as run:
            drawn = draw_preview(out, asked, run, contact_sheets=contact_sheets)
    page = os.path.join(out, "preview.html")
    reporter.summary(f"{quantity(drawn.pictures, 'picture')} on the map; see {page}")
    check_strict(strict, drawn.skipped)
