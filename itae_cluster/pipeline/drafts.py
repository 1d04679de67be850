"""A draft carried out: what `rename`, `merge`, `split`, `move`, `regroup` and `edit` end with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.pipeline.names import suggest_again
from itae_cluster.preview.redraw import redraw_previews
from itae_cluster.results import centres, inventory, levels
from itae_cluster.results.draft import Draft
from itae_cluster.results.plan import LEVELS_FILE, MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from itae_cluster.core.run import Run
    from itae_cluster.results.levels import Tree

__all__ = ["ChangeResult", "carry_out", "open_draft"]


@dataclass(frozen=True)
class ChangeResult:
    """Which files, or folders, went where, and how many pictures each folder concerned holds."""

    shifts: tuple[tuple[str, str], ...]
    sizes: Mapping[str, int]


def open_draft(out: str) -> Draft:
    """A draft of the result `out` as it stands.

    Raises:
        JournalError: if it is no result.
        ResultError: if its last change is not finished, or its documents cannot be followed.
    """
    return Draft(inspect_result(out))


def carry_out(
    draft: Draft,
    kind: str,
    run: Run,
    *,
    concerned: Iterable[int] = (),
    tree: Tree | None = None,
    dry_run: bool = False,
) -> ChangeResult:
    """Make a result what its draft says, in one change that `undo` takes back.

    Args:
        draft: what it is to be.
        kind: of the change, for the journal.
        run: told of progress, and knows what changed clusters may be called.
        concerned: clusters whose sizes are told.
        tree: levels of the result, where it had none.
        dry_run: change nothing.

    Raises:
        BusyError: if another process is at work there, or has changed the result meanwhile.
        OutputError: if it cannot be done; everything is as it was, or the message says how.
    """
    held, shifts = draft.held, draft.shifts()
    if not dry_run and (shifts or tree is not None or draft.is_changed()):
        suggested = suggest_again(held, draft.records, run)
        contents: dict[str, bytes | None] = {
            **inventory.result_documents(
                held, draft.records, draft.folders, draft.names, suggested=suggested
            )
        }
        if draft.has_new_model and draft.model is not None:
            contents[MODEL_FILE] = centres.content(draft.model)
        if tree is not None:
            contents[LEVELS_FILE] = levels.content(tree)
        merges = None if tree is None else tree.merges
        contents |= redraw_previews(draft, suggested, run.reporter, merges)
        amend(held, Amendment(kind, lambda *_: contents, shifts), run.reporter)
    sizes = Counter(record["cluster"] for record in draft.records)
    return ChangeResult(
        tuple((step.origin, step.destination) for step in shifts),
        {draft.folders[label]: sizes[label] for label in concerned if label in draft.folders},
    )
