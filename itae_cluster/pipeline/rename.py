"""Clusters renamed: their folders, what manifest and table say of them, and the previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itae_cluster.core.errors import ResultError, UsageError
from itae_cluster.core.text import printable
from itae_cluster.pipeline.drafts import carry_out, open_draft
from itae_cluster.pipeline.names import suggest_again
from itae_cluster.results import cluster_names
from itae_cluster.results.filenames import fold_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.core.run import Run
    from itae_cluster.results.cluster_names import Wish
    from itae_cluster.results.draft import Draft

__all__ = ["rename_as_suggested", "rename_clusters"]


def rename_clusters(
    out: str, wishes: Sequence[Wish], run: Run, *, dry_run: bool = False
) -> list[tuple[str, str]]:
    """Rename clusters of the result `out`.

    Args:
        out: the result.
        wishes: which cluster is to have which name.
        run: whom it tells, and what it knows already.
        dry_run: change nothing.

    Returns:
        Old and new folder of each; those that have their name already are left out.

    Raises:
        UsageError: if a name is none, or two are equal.
        ResultError: if there is no such cluster, or a name is taken.
        OutputError: if it cannot be done; everything is as it was.
    """
    return _rename(open_draft(out), wishes, run, dry_run=dry_run)


def rename_as_suggested(out: str, run: Run, *, dry_run: bool = False) -> list[tuple[str, str]]:
    """Give clusters their suggested names, where nobody has named them.

    Returns and raises as `rename_clusters`.

    Raises:
        ResultError: if it suggests none.
    """
    draft = open_draft(out)
    suggested = suggest_again(draft.held, draft.records, run)
    if not suggested:
        raise ResultError(
            f"{printable(out)} suggests no names; sort anew without --no-names, or write pairs "
            "such as cluster-003=Beach"
        )
    wishes = cluster_names.suggested_wishes(draft.held, suggested)
    return _rename(draft, wishes, run, dry_run=dry_run)


def _rename(
    draft: Draft, wishes: Sequence[Wish], run: Run, *, dry_run: bool
) -> list[tuple[str, str]]:
    wanted: dict[int, str] = {}
    for folder, number, name in wishes:
        label = draft.label_of(folder, number)
        if label in wanted:
            raise UsageError(f"{printable(folder)} is given two names; leave one out")
        if fold_name(name) in map(fold_name, wanted.values()):
            raise UsageError(f"two clusters cannot both be {name!r}; choose another name for one")
        wanted[label] = name
    leaving = set(wanted)
    for label, name in wanted.items():
        leaving.discard(label)
        draft.rename(label, name, leaving)
    before = draft.held.folders
    renamed = [(before[n], draft.folders[n]) for n in wanted if before[n] != draft.folders[n]]
    if renamed and not dry_run:
        carry_out(draft, "rename", run)
    return renamed
