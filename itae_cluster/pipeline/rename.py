"""Clusters renamed: their folders, what manifest and table say of them, and the previews."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.core.errors import ResultError, UsageError
from itae_cluster.core.text import printable
from itae_cluster.preview.redraw import redraw_previews
from itae_cluster.results import cluster_names, inventory
from itae_cluster.results.filenames import fold_name
from itae_cluster.results.journal import Shift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.types import Reporter
    from itae_cluster.results.cluster_names import Wish
    from itae_cluster.results.inventory import HeldPicture, Inventory

__all__ = ["follow_folders", "rename_as_suggested", "rename_clusters"]


def rename_clusters(
    out: str, wishes: Sequence[Wish], reporter: Reporter, *, dry_run: bool = False
) -> list[tuple[str, str]]:
    """Rename clusters of the result `out`.

    Args:
        out: the result.
        wishes: which cluster is to have which name.
        reporter: told of progress.
        dry_run: change nothing.

    Returns:
        Old and new folder of each; those that have their name already are left out.

    Raises:
        UsageError: if a name is none, or two are equal.
        ResultError: if there is no such cluster, or a name is taken.
        OutputError: if it cannot be done; everything is as it was.
    """
    held = inspect_result(out)
    wanted = _resolve_wishes(held, wishes)
    shifts = [
        (held.folders[label], place)
        for label, place in wanted.items()
        if held.folders[label] != place
    ]
    if shifts and not dry_run:
        folders = {**held.folders, **wanted}
        last = {label: place.rpartition("/")[2] for label, place in wanted.items()}
        names = {**held.names, **last}
        records = [follow_folders(item, dict(shifts)).as_record() for item in held.pictures]
        contents = inventory.result_documents(held, records, folders, names)
        changed = contents | redraw_previews(held, records, folders, reporter)
        steps = tuple(Shift(*pair) for pair in shifts)
        amend(held, Amendment("rename", lambda *_: changed, steps), reporter)
    return shifts


def rename_as_suggested(
    out: str, reporter: Reporter, *, dry_run: bool = False
) -> list[tuple[str, str]]:
    """Give clusters the names that the manifest suggests, where nobody has named them.

    Returns and raises as `rename_clusters`.

    Raises:
        ResultError: if it suggests none.
    """
    held = inspect_result(out)
    if not held.suggested:
        raise ResultError(
            f"{printable(out)} suggests no names; sort anew without --no-names, or write pairs "
            "such as cluster-003=Beach"
        )
    wishes = cluster_names.suggested_wishes(held)
    return rename_clusters(out, wishes, reporter, dry_run=dry_run)


def _resolve_wishes(held: Inventory, wishes: Sequence[Wish]) -> dict[int, str]:
    wanted: dict[int, str] = {}
    for folder, number, name in wishes:
        label = cluster_names.label_of(held, folder, number)
        place = cluster_names.check_free(held, held.folders[label], name)
        if label in wanted:
            raise UsageError(f"{printable(folder)} is given two names; leave one out")
        if fold_name(place) in map(fold_name, wanted.values()):
            raise UsageError(f"two clusters cannot both be {name!r}; choose another name for one")
        wanted[label] = place
    return wanted


def follow_folders(item: HeldPicture, folders: Mapping[str, str]) -> HeldPicture:
    """A picture whose folder, or one above it, has another name now."""

    def place(name: str) -> str:
        for old, new in folders.items():
            if name.startswith(f"{old}/"):
                return new + name[len(old) :]
        return name

    followers = tuple((source, place(name)) for source, name in item.sidecars)
    return replace(item, destination=place(item.destination), sidecars=followers)
