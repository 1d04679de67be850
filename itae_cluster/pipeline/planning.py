"""Placements to a plan: what each source is, by size, time and content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from itae_cluster.cache import Known, content_digest
from itae_cluster.errors import OutputError
from itae_cluster.plan import Entry, Plan
from itae_cluster.types import Skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.cache import Cache
    from itae_cluster.options import Action
    from itae_cluster.types import Placement, Reporter

__all__ = ["make_plan"]


def make_plan(
    placements: Sequence[Placement],
    skipped: Sequence[Skipped],
    metadata: Mapping[str, Any],
    *,
    out: str,
    action: Action,
    cache: Cache,
    reporter: Reporter,
) -> Plan:
    """The plan that brings `placements` into `out`.

    Contents are known from the cache where the files are unchanged, else they are read.

    Args:
        placements: which picture goes where.
        skipped: what was passed over until now.
        metadata: the head of the manifest.
        out: the result.
        action: how pictures come there.
        cache: knows digests of files, and is told of new ones.
        reporter: told of progress, and of sources that have gone.

    Raises:
        OutputError: if every source has gone.
    """
    digests = cache.digests([item.source for item in placements])
    entries: list[Entry] = []
    lost: list[Skipped] = []
    read: list[Known] = []
    for done, (item, digest) in enumerate(zip(placements, digests, strict=True), start=1):
        try:
            known = _known(item.source, digest)
        except OSError as error:
            lost.append(Skipped(item.source, f"lost before it was placed: {error.strerror}"))
            reporter.skip(lost[-1])
            continue
        if digest is None:
            read.append(known)
        entries.append(_entry(item, known))
        reporter.progress("Planning", done, len(placements))
    cache.remember(read)
    if not entries:
        raise OutputError("every picture has gone since it was embedded; nothing was written")
    return Plan(os.path.abspath(out), action, tuple(entries), (*skipped, *lost), metadata)


def _known(path: str, digest: bytes | None) -> Known:
    if digest is None:
        return content_digest(path)
    status = os.stat(path)
    return Known(os.path.abspath(path), status.st_size, status.st_mtime_ns, digest)


def _entry(item: Placement, known: Known) -> Entry:
    return Entry(
        item.source,
        known.path,
        item.destination,
        item.cluster,
        item.distance,
        known.size,
        known.mtime_ns,
        known.digest.hex(),
    )
