"""`itae-cluster apply plan.json`: a plan carried out; `--resume OUT`: a move finished."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, with_option_groups
from itae_cluster.cli.output import check_kept, check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import PlanError, UsageError
from itae_cluster.core.options import CacheOptions
from itae_cluster.core.text import printable, quantity

__all__ = ["apply"]


@with_option_groups
def apply(
    *,
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="PLAN",
            help="A file made by 'itae-cluster plan'; - reads it from standard input.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Instead of a plan: finish the interrupted move into this result.",
            show_default=False,
        ),
    ] = None,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Carry out a plan, or finish a move that was interrupted.

    Before anything is done, every source is read and compared with the plan; if one has changed,
    nothing is done. The result is that of the main command. The preview, and what 'itae-cluster
    update' needs, are made from the embeddings in the cache; if those are gone, both are left
    out, and a line says so.

    Examples:
        itae-cluster apply plan.json
        itae-cluster apply --resume ./sorted
    """
    if (plan is None) == (resume is None):
        raise UsageError("name a plan (- for standard input), or a result with --resume DIR")
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        if resume is not None:
            _resume(resume, reporter)
        elif plan is not None:
            _apply(plan, cache_options, reporter, strict=strict)


def _resume(out: str, reporter: ConsoleReporter) -> None:
    from itae_cluster.changes.apply import resume

    files, kept = resume(out, reporter)
    left = f"{quantity(files, 'file')} in {printable(out)}, {quantity(len(kept), 'original')} left"
    reporter.summary(left if files else f"nothing to resume in {printable(out)}")
    check_kept(kept, reporter)


def _apply(
    path: str, cache_options: CacheOptions, reporter: ConsoleReporter, *, strict: bool
) -> None:
    from itae_cluster.changes.planning import check_sources
    from itae_cluster.changes.staging import check_output
    from itae_cluster.core.run import open_run
    from itae_cluster.pipeline.apply import apply_saved_plan
    from itae_cluster.results import plan as plans

    content = _content(path)
    if not content.lstrip().startswith(b"{"):
        name = "standard input" if path == "-" else printable(path)
        raise PlanError(f"{name} is not a plan; make one with 'itae-cluster plan'")
    plan = plans.read(content)
    check_output(plan.out)
    check_sources(plan, reporter)
    with open_run(reporter, cache_options) as run:
        applied = apply_saved_plan(plan, run)
    files = sum(1 + len(item.sidecars) for item in applied.placed)
    reporter.summary(f"{quantity(files, 'file')} in {printable(plan.out)}")
    check_kept(applied.kept, reporter)
    check_strict(strict, plan.skipped + applied.lost)


def _content(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise PlanError(
            f"cannot read {printable(path)}: {error.strerror}; name a file that "
            "'itae-cluster plan' made"
        ) from error
