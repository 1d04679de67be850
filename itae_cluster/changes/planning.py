"""Placements to a plan: what each source is, by size, time and content, then and later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from itae_cluster.changes.transfer import has_content
from itae_cluster.core.errors import OutputError, PlanError
from itae_cluster.core.files import FileDigest, read_digest
from itae_cluster.core.losses import Losses
from itae_cluster.core.text import printable
from itae_cluster.core.types import Facts, Skipped
from itae_cluster.results.plan import Entry, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itae_cluster.core.options import OutputOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Placement, Reporter

__all__ = ["changed_sources", "check_sources", "make_plan"]


def make_plan(
    placements: Sequence[Placement],
    skipped: Sequence[Skipped],
    metadata: Mapping[str, Any],
    output: OutputOptions,
    run: Run,
) -> Plan:
    """The plan that brings `placements` into a folder.

    Contents are known from the cache where the files are unchanged, else they are read.

    Args:
        placements: which picture goes where.
        skipped: what was passed over until now.
        metadata: the head of the manifest.
        output: that folder, and how pictures come there.
        run: knows digests of files, and is told of new ones and of sources that have gone.

    Raises:
        OutputError: if every source has gone.
    """
    wanted = [pair for item in placements for pair in _files(item)]
    digests = run.cache.digests([source for source, _, _ in wanted])
    entries: list[Entry] = []
    lost: dict[str, Skipped] = {}
    losses = Losses(run.reporter)
    read: list[FileDigest] = []
    for done, ((source, destination, item), digest) in enumerate(
        zip(wanted, digests, strict=True), start=1
    ):
        leader = None if destination == item.destination else item.destination
        if leader in lost:  # a sidecar does not go without its picture
            continue
        try:
            known = _digest_source(source, digest)
        except OSError as error:
            reason = f"lost before it was placed: {error.strerror}"
            lost[destination] = Skipped(source, reason)
            losses.skip(lost[destination])
            continue
        if digest is None:
            read.append(known)
        entries.append(_entry(source, destination, item, known, leader))
        run.reporter.progress("Planning", done, len(wanted))
    run.cache.remember(read)
    if not entries:
        why = losses.why_all(len(lost)) or "every picture has gone since it was embedded"
        raise OutputError(f"{why}; nothing was written")
    losses.tell()
    return Plan(
        out=os.path.abspath(output.out),
        action=output.action,
        entries=tuple(entries),
        skipped=(*skipped, *lost.values()),
        metadata=metadata,
    )


def _digest_source(path: str, digest: bytes | None) -> FileDigest:
    if digest is None:
        return read_digest(path)
    status = os.stat(path)
    return FileDigest(os.path.abspath(path), status.st_size, status.st_mtime_ns, digest)


def _files(item: Placement) -> Iterator[tuple[str, str, Placement]]:
    """The picture, then its sidecars."""
    yield item.source, item.destination, item
    for source, destination in item.sidecars:
        yield source, destination, item


def _entry(
    source: str, destination: str, item: Placement, known: FileDigest, leader: str | None
) -> Entry:
    return Entry(
        path=source,
        source=known.path,
        destination=destination,
        cluster=item.cluster,
        distance=item.distance,
        size=known.size,
        mtime_ns=known.mtime_ns,
        sha256=known.digest.hex(),
        sidecar_of=leader,
        membership=item.membership if leader is None else None,
        leaf=item.leaf if leader is None else None,
        facts=item.facts if leader is None else Facts(),
    )


_SHOWN = 3  # sources that an error names


def changed_sources(plan: Plan, reporter: Reporter) -> Iterator[Skipped]:
    """The sources that are not what they were when the plan was made; reads every one."""
    for done, entry in enumerate(plan.entries, start=1):
        try:
            if not os.path.lexists(entry.source):
                yield Skipped(entry.source, "it has gone")
            elif not entry.is_unchanged():
                yield Skipped(entry.source, "its size or time of change is another")
            elif not has_content(entry.source, entry.size, entry.sha256):
                yield Skipped(entry.source, "its content is another")
        except OSError as error:
            yield Skipped(entry.source, error.strerror or str(error))
        reporter.progress("Checking", done, len(plan.entries))


def check_sources(plan: Plan, reporter: Reporter) -> None:
    """Raise where a source is not what it was when the plan was made; each is named.

    Raises:
        PlanError: if any has changed.
    """
    changed = list(changed_sources(plan, reporter))
    for item in changed:
        reporter.warn(f"{item.path} has changed since it was planned: {item.reason}")
    if changed:
        names = ", ".join(printable(item.path) for item in changed[:_SHOWN])
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise PlanError(
            f"changed since the plan was made: {names}{more}; nothing was done; make the plan again"
        )
