"""Names that a person gives to clusters: `names.json`, and which folder each is for.

The page saves `{"schema": "itae-cluster/names", "schema_version": 1, "clusters": [{"cluster": 3,
"folder": "cluster-003", "name": "Beach"}]}`; `"names": {"cluster-003": "Beach"}` says the same in
a file written by hand.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from itae_cluster.core.errors import ResultError, UsageError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.results.filenames import fold_name, folder_fault
from itae_cluster.results.manifest import suggested_names
from itae_cluster.results.placements import NOISE_FOLDER, is_unnamed
from itae_cluster.results.plan import RESERVED
from itae_cluster.results.validation import check_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from itae_cluster.results.inventory import Inventory

__all__ = [
    "Wish",
    "check_free",
    "find_label",
    "label_of",
    "read_names",
    "read_words",
    "safe_folders",
    "suggested_wishes",
]

_SHOWN = 8  # folders that an error names

Wish = tuple[str, int | None, str]
"""Folder of a cluster, its number where that is known, and the name it is to have."""


def read_words(words: Sequence[str]) -> list[Wish]:
    """`cluster-003=Beach` of the command line.

    Raises:
        UsageError: if there is no such pair.
    """
    wishes: list[Wish] = []
    for word in words:
        folder, equals, name = word.partition("=")
        if not equals or not folder:
            raise UsageError(
                f"{word!r}: name a file such as names.json, or pairs such as cluster-003=Beach"
            )
        wishes.append((folder, None, name))
    return wishes


def read_names(path: str) -> list[Wish]:
    """The wishes of a file that the page saved, or that was written by hand.

    Raises:
        UsageError: if it cannot be read, or is no such file.
    """
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
        check_document(record, "names")
    except OSError as error:
        raise UsageError(
            f"cannot read {printable(path)}: {error.strerror}; name a file that preview.html saved"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{printable(path)} holds no names: {error}; name a file that preview.html saved"
        ) from error
    if "clusters" in record:
        return [(item["folder"], item.get("cluster"), item["name"]) for item in record["clusters"]]
    return [(folder, None, name) for folder, name in record["names"].items()]


def safe_folders(names: Mapping[int, str], taken: Iterable[str] = ()) -> dict[int, str]:
    """Folders after suggested names, `dog-2`, where a folder may have such a name everywhere.

    Args:
        names: by cluster.
        taken: folders that are there, and are left alone.
    """
    used = {fold_name(name) for name in (*RESERVED, NOISE_FOLDER, *taken)}
    found: dict[int, str] = {}
    for label, name in sorted(names.items()):
        folder = unicodedata.normalize("NFC", "-".join(name.split()))
        if folder_fault(folder) is None and fold_name(folder) not in used:
            used.add(fold_name(folder))
            found[label] = folder
    return found


def suggested_wishes(held: Inventory, suggested: Mapping[int, Mapping[str, Any]]) -> list[Wish]:
    """The suggested names, for clusters of a result whose folder nobody has named."""
    unnamed = {n for n, folder in held.folders.items() if is_unnamed(os.path.basename(folder))}
    names = {label: name for label, name in suggested_names(suggested).items() if label in unnamed}
    folders = safe_folders(names, os.listdir(held.root))
    return [(held.folders[label], label, folder) for label, folder in folders.items()]


def find_label(folders: Mapping[int, str], folder: str) -> int | None:
    """The cluster whose folder is called that, or shown so."""
    name = folder.removesuffix("/")
    exact = (label for label, known in folders.items() if name == known)
    shown = (label for label, known in folders.items() if name == printable(known))
    return next(exact, next(shown, None))


def label_of(folders: Mapping[int, str], folder: str, number: int | None = None) -> int:
    """The cluster that is meant: by its folder, by the one it had at first, or by its number.

    Raises:
        ResultError: if there is none.
    """
    found = find_label(folders, folder)
    if found is not None:
        return found
    name = folder.removesuffix("/")
    first = re.fullmatch(r"cluster-(\d{3,9})", name)
    meant = NOISE if name == NOISE_FOLDER else int(first[1]) if first else number
    if meant is not None and meant in folders:
        return meant
    known_folders = [folders[label] for label in sorted(folders)]
    shown = ", ".join(map(printable, known_folders[:_SHOWN]))
    more = f" and {len(known_folders) - _SHOWN} more" if len(known_folders) > _SHOWN else ""
    raise ResultError(f"there is no cluster {printable(folder)}; choose one of {shown}{more}")


def check_free(
    root: str,
    beside: str,
    name: str,
    *,
    others: Iterable[str],
    own: str | None,
    gone: Collection[str],
) -> str:
    """The place of a cluster's folder that is to be called `name`, in normal form.

    Args:
        root: the real path of the result.
        beside: the folder that it is in; empty for the result itself.
        name: of a folder, not a path.
        others: folders of other clusters, as they are to be.
        own: the folder that the cluster has now; None for a new cluster.
        gone: folders of clusters that are no more.

    Raises:
        UsageError: if it is no name that a folder can have everywhere.
        ResultError: if it is taken.
    """
    name = unicodedata.normalize("NFC", name)
    fault = folder_fault(name)
    if fault is None and fold_name(name) in {fold_name(reserved) for reserved in RESERVED}:
        fault = "the tool needs that name itself"
    if fault is not None:
        raise UsageError(f"{name!r} cannot be the name of a cluster: {fault}; choose another")
    place = f"{beside}/{name}" if beside else name
    path = os.path.join(root, place)
    mine = place in gone or (own is not None and _is_same(path, os.path.join(root, own)))
    taken = fold_name(place) in map(fold_name, others)
    if taken or (os.path.lexists(path) and not mine):
        raise ResultError(
            f"{printable(place)} is there already; choose another name, or put them together with "
            "'itae-cluster merge'"
        )
    return place


def _is_same(path: str, other: str) -> bool:
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
