"""A plan carried out, or carried on with after it was interrupted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.changes import cleanup, locks, organize, originals, staging
from itae_cluster.core.documents import path_record, write_json
from itae_cluster.core.errors import JournalError, OutputError
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.results import manifest
from itae_cluster.results import plan as plans
from itae_cluster.results.journal import Journal, Place, last_to_undo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itae_cluster.core.types import Placement, Reporter, Skipped
    from itae_cluster.results.journal import Transaction
    from itae_cluster.results.plan import Plan

__all__ = ["KIND", "ApplyResult", "apply_plan", "finish_move", "resume"]

KIND = "sort"
"""The kind of the transaction that makes a result."""


@dataclass(frozen=True)
class ApplyResult:
    """What was carried out: `lost` are sources that had gone or changed.

    `kept` are the originals that `move` could not remove.
    """

    placed: tuple[Placement, ...]
    lost: tuple[Skipped, ...] = ()
    kept: tuple[Skipped, ...] = ()


def apply_plan(
    plan: Plan,
    reporter: Reporter,
    *,
    draw: Callable[[str, Sequence[Placement]], None] | None = None,
) -> ApplyResult:
    """Make OUT: pictures, manifest, table; then, for `move`, remove originals.

    Args:
        plan: what to do; its sources are looked at again, one by one, as they are placed.
        reporter: told of progress and of sources that vanished or changed.
        draw: writes what needs the vectors (preview, model) into the folder it is given, for what
            was placed.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
        BusyError: if another process is at work there.
    """
    staging.check_output(plan.out)
    moves = plan.action is Action.MOVE
    sources = {os.path.dirname(entry.source) for entry in plan.entries} if moves else set()
    real = os.path.realpath(plan.out)
    with locks.claim(real, sources, reporter) as alone:
        if alone:
            cleanup.clear(real, reporter)
        applied = _build(plan, real, reporter, draw)
        return ApplyResult(applied.placed, applied.lost, finish_move(real, reporter))


def _build(
    plan: Plan,
    real: str,
    reporter: Reporter,
    draw: Callable[[str, Sequence[Placement]], None] | None,
) -> ApplyResult:
    made_out = not os.path.isdir(real)
    with staging.stage(real) as folder:
        journal = Journal(folder)
        steps, gone = organize.announce_steps(plan)
        for item in gone:
            reporter.skip(item)
        ident = journal.begin(
            KIND,
            [step for _, step in steps],
            action=str(plan.action),
            made_out=made_out,
            **path_record("out", real),
        )
        skipped = organize.place_files(steps, folder, reporter)
        placed = plans.placements_of(
            entry for number, (entry, _) in enumerate(steps) if number not in skipped
        )
        if not placed:
            raise OutputError("every picture has gone or changed; nothing was written")
        lost = (*gone, *skipped.values())
        _write_documents(plan, placed, lost, folder)
        if draw is not None:
            draw(folder, placed)
        journal.add_steps(ident, staging.list_generated(folder), skipped)
        journal.mark(ident, "staged")
    return ApplyResult(placed, lost)


def _write_documents(
    plan: Plan, placed: Sequence[Placement], lost: Sequence[Skipped], staging: str
) -> None:
    head = {
        "schema": manifest.SCHEMA,
        "schema_version": manifest.SCHEMA_VERSION,
        **plan.metadata,
    }
    contents = {entry.destination: (entry.size, entry.sha256) for entry in plan.entries}
    skipped = (*plan.skipped, *lost)
    document = manifest.document(
        head, placed, skipped, placed=True, contents=contents, suggested=plan.suggested
    )
    write_json(document, os.path.join(staging, "manifest.json"))
    manifest.write_csv(placed, os.path.join(staging, "clusters.csv"), plan.suggested)


def finish_move(real: str, reporter: Reporter) -> tuple[Skipped, ...]:
    """The last transaction finished: originals that `move` brought here go; those that could not.

    Raises:
        OutputError: if the disk fails; it can be finished later.
    """
    shown = printable(real)
    try:
        return originals.remove_originals(real, _last(real, real), reporter)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{shown} is complete, but not every original has been removed; finish with "
            f"'itae-cluster apply --resume', or take all back with 'itae-cluster undo'"
        ) from None
    except OSError as error:
        raise OutputError(
            f"{shown} is complete, but the originals could not all be removed: {error.strerror}; "
            "finish with 'itae-cluster apply --resume', or take all back with 'itae-cluster undo'"
        ) from error


def resume(out: str, reporter: Reporter) -> tuple[int, tuple[Skipped, ...]]:
    """Finish a `move` that was interrupted.

    Args:
        out: the result.
        reporter: told of progress.

    Returns:
        How many files the result's last transaction brought there, and the originals that were
        kept, with reasons.

    Raises:
        JournalError: if there is nothing that could be finished.
        BusyError: if another process is at work there.
    """
    real = os.path.realpath(out)
    with locks.claim(real, (), reporter) as alone:
        if not os.path.lexists(real) and alone and cleanup.clear(real, reporter):
            raise JournalError(
                f"there is nothing to resume: the run ended before {printable(out)} was made, and "
                "no picture was touched; begin again"
            )
        last = _last(real, out)
    sources = {os.path.dirname(s.source) for s in last.steps if isinstance(s, Place)}
    with locks.claim(real, sources, reporter):
        return sum(isinstance(s, Place) for s in last.steps_done()), finish_move(real, reporter)


def _last(real: str, out: str) -> Transaction:
    last = last_to_undo(Journal(real).read())
    if last is None:
        raise JournalError(f"{printable(out)} was undone; finish that with 'itae-cluster undo'")
    if "undo" in last.marks:
        raise JournalError(
            f"undo of {printable(out)} has begun; finish it with 'itae-cluster undo'"
        )
    if "staged" not in last.marks and last.kind != KIND:
        raise JournalError(
            f"the last change of {printable(out)} ({last.kind}) was cut off; take it back with "
            "'itae-cluster undo' and begin it again"
        )
    if "staged" not in last.marks:
        raise JournalError(
            f"the journal of {printable(out)} ends before its pictures were placed; it was damaged "
            "or cut off; nothing was changed"
        )
    return last
