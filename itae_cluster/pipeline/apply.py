"""A plan carried out with all that the main job makes: previews and centres, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.changes.apply import apply_plan
from itae_cluster.preview.build import write_previews
from itae_cluster.results import centres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.changes.apply import ApplyResult
    from itae_cluster.core.options import OutputOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Placement
    from itae_cluster.preview.collection import Collection
    from itae_cluster.results.plan import Plan

__all__ = ["apply_and_draw"]


def apply_and_draw(
    plan: Plan, collection: Collection, output: OutputOptions, run: Run
) -> ApplyResult:
    """Make OUT: pictures, manifest, table, previews, centres; then, for `move`, remove originals.

    Args:
        plan: which file goes where.
        collection: what the previews show and later pictures are sorted by.
        output: whether there are a preview and contact sheets.
        run: told of progress and of sources that vanished; knows thumbnails and the map.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
        BusyError: if another process is at work there.
    """

    def draw(staging: str, placed: Sequence[Placement]) -> None:
        if output.preview:
            shown = replace(collection, placements=placed)
            write_previews(staging, shown, run, contact_sheets=output.contact_sheets)
        found = centres.measure_centres(collection.embeddings, collection.clustering)
        centres.write(found, staging)

    return apply_plan(plan, run.reporter, draw=draw)
