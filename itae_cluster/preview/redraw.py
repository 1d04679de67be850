"""The previews of a result that was changed, redrawn from what they show themselves.

Neither model nor cache is needed: map, thumbnails and likeness stay, while names, clusters, places
and typical pictures follow. A file that a person edited is left as it is.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import similarity
from itae_cluster.core.documents import path_of
from itae_cluster.core.files import file_digest
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE, REJECTED, Levels
from itae_cluster.preview.build import DIVERSE, TYPICAL, subtitle
from itae_cluster.preview.contact import render_contact_sheet, sheet_name
from itae_cluster.preview.groups import list_groups
from itae_cluster.preview.page import render_page
from itae_cluster.preview.picture import render_picture
from itae_cluster.preview.reading import read_page
from itae_cluster.results.facts import read_facts
from itae_cluster.results.inventory import FIXED, digest_places
from itae_cluster.results.journal import Journal, write_digests
from itae_cluster.results.manifest import read_suggestions
from itae_cluster.results.plan import CONTACT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.clustering.similarity import Similarity
    from itae_cluster.core.types import Reporter
    from itae_cluster.preview.atlas import Atlas
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group
    from itae_cluster.results.draft import Draft
    from itae_cluster.results.inventory import Inventory

__all__ = [
    "DrawnPreview",
    "choose_examples",
    "draw_files",
    "find_preview",
    "move_on_page",
    "redraw_previews",
]

_PAGE, _PICTURE = "preview.html", "preview.png"


@dataclass(frozen=True, kw_only=True)
class DrawnPreview:
    """The previews of a result: what the page shows, and which files are as the tool drew them."""

    root: str
    data: PreviewData
    atlas: Atlas
    own: frozenset[str]


def find_preview(root: str, reporter: Reporter) -> DrawnPreview | None:
    """The previews of the result `root`; None where there is no page, or none to go by.

    Args:
        root: its real path.
        reporter: told of a page that was edited or does not read back.
    """
    path = os.path.join(root, _PAGE)
    if not os.path.lexists(path):
        return None
    written = write_digests(Journal(root).read())
    drawn = [name for name in written if _is_preview(name)]
    own = frozenset(name for name in drawn if _is_own(os.path.join(root, name), written[name]))
    try:
        if _PAGE not in own:
            raise ValueError("it was edited since it was drawn")
        with open(path, "rb") as file:
            data, atlas = read_page(file.read())
    except ValueError as error:
        reporter.warn(f"{printable(path)} is left as it is, and so are the other previews: {error}")
        return None
    return DrawnPreview(root=root, data=data, atlas=atlas, own=own)


def _is_preview(name: str) -> bool:
    return name in {_PAGE, _PICTURE} or os.path.dirname(name) == CONTACT_FOLDER


def _is_own(path: str, digest: str) -> bool:
    """Whether a file is there, and as it was written."""
    return os.path.isfile(path) and not os.path.islink(path) and file_digest(path) == digest


def redraw_previews(
    draft: Draft,
    suggested: Mapping[int, Mapping[str, Any]],
    reporter: Reporter,
    merges: NDArray[np.int64] | None = None,
) -> dict[str, bytes | None]:
    """The previews as they are after a change, by their place; nothing where there are none.

    Args:
        draft: the result as it is to be.
        suggested: what its clusters may be called.
        reporter: told of a page that is left as it is.
        merges: of the levels, where there were none before.

    Returns:
        Bytes, or None for a file that goes.
    """
    drawn = find_preview(draft.held.root, reporter)
    if drawn is None:
        return {}
    after = move_on_page(drawn, draft.held, draft.records, draft.folders, suggested, merges)
    return draw_files(drawn, after, drawn.atlas)


def draw_files(drawn: DrawnPreview, after: PreviewData, atlas: Atlas) -> dict[str, bytes | None]:
    """The files that `after` makes of those that are there.

    Args:
        drawn: as they are now.
        after: what they are to show.
        atlas: the thumbnails of the page from now on.
    """
    found: dict[str, bytes | None] = {_PAGE: render_page(after, atlas)}
    if _PICTURE in drawn.own:
        found[_PICTURE] = render_picture(after)
    return found | _contact_sheets(drawn, after)


def _contact_sheets(drawn: DrawnPreview, after: PreviewData) -> dict[str, bytes | None]:
    """Sheets of clusters that changed; those of clusters that are gone go."""
    groups = list_groups(drawn.data)
    before = {_place(group): _sheet_key(drawn.data, group) for group in groups}
    own = before.keys() & drawn.own
    if not own:
        return {}
    now = {_place(group): group for group in list_groups(after)}
    found: dict[str, bytes | None] = {}
    for name, group in now.items():
        is_free = name in own or not os.path.lexists(os.path.join(drawn.root, name))
        if is_free and before.get(name) != _sheet_key(after, group):
            found[name] = render_contact_sheet(after, group)
    return found | dict.fromkeys(own - now.keys())


def _place(group: Group) -> str:
    return f"{CONTACT_FOLDER}/{sheet_name(group)}"


def _sheet_key(data: PreviewData, group: Group) -> tuple[object, ...]:
    """Two sheets of which this is equal look the same."""
    names = [
        os.path.basename(data.names[row]) for row in np.flatnonzero(data.labels == group.label)
    ]
    return group.label, group.folder, group.count, tuple(names)


def move_on_page(
    drawn: DrawnPreview,
    held: Inventory,
    records: Sequence[Mapping[str, Any]],
    folders: Mapping[int, str],
    suggested: Mapping[int, Mapping[str, Any]],
    merges: NDArray[np.int64] | None = None,
) -> PreviewData:
    """What the previews show once each picture is where its record says."""
    data = drawn.data
    # A picture of the page is known by where it was; new ones come after those that were held.
    records_by_name = {
        path_of(item.record, "destination"): record
        for item, record in zip(held.pictures, records, strict=False)
    }
    own = [records_by_name.get(name) for name in data.names]
    # One without a record was taken away by a person. It stays on the page, in its cluster where
    # that is left.
    labels = [
        int(record["cluster"]) if record is not None else (label if label in folders else NOISE)
        for label, record in zip(data.labels.tolist(), own, strict=True)
    ]
    sizes = Counter(int(record["cluster"]) for record in records)
    if merges is None and data.levels is not None:
        merges = data.levels.merges
    shown = replace(
        data,
        names=tuple(
            name if record is None else path_of(record, "destination")
            for name, record in zip(data.names, own, strict=True)
        ),
        labels=np.array(labels, dtype=np.int64),
        distances=np.array(
            [np.nan if record is None else _distance(record) for record in own], dtype=np.float32
        ),
        folders={**data.folders, **folders},
        sizes=sizes,
        subtitle=subtitle(
            sizes.total() - sizes[REJECTED],
            len(sizes.keys() - {NOISE, REJECTED}),
            held.head["model"],
        ),
        suggested=read_suggestions(suggested),
        digest=digest_places(path_of(record, "destination") for record in records),
        levels=merges if merges is None else Levels(_leaves(own, len(merges) + 1), merges),
        examples=tuple(
            row for row, record in enumerate(own) if record is not None and "example" in record
        ),
        similarity=_without(data.similarity, {n for n, of in enumerate(labels) if of == REJECTED}),
        facts=tuple(
            known if record is None else read_facts(record)
            for known, record in zip(data.facts, own, strict=True)
        ),
    )
    return choose_examples(data, shown)


def _leaves(records: Sequence[Mapping[str, Any] | None], count: int) -> NDArray[np.int64]:
    """The leaf of each picture of the page; none of one that a person put where it is."""
    given = [
        NOISE if record is None or record.keys() & FIXED else int(record.get("leaf", NOISE))
        for record in records
    ]
    leaves = np.array(given, dtype=np.int64)
    return np.where(leaves < count, leaves, NOISE)


def _without(found: Similarity | None, rejected: set[int]) -> Similarity | None:
    """What is alike, but for groups of duplicates of which only one is wanted."""
    if found is None:
        return None
    left = (tuple(row for row in group if row not in rejected) for group in found.duplicates)
    return replace(found, duplicates=tuple(group for group in left if len(group) > 1))


def _distance(record: Mapping[str, Any]) -> float:
    value = record.get("distance")
    return np.nan if value is None else float(value)


def choose_examples(
    before: PreviewData, after: PreviewData, vectors: NDArray[np.float32] | None = None
) -> PreviewData:
    """Typical and diverse pictures of clusters whose pictures changed; of the others as before.

    Args:
        before: what was shown.
        after: what is shown now.
        vectors: (n, D) embeddings of what is shown now, if they are known.
    """
    typical, diverse = {}, {}
    chosen = np.isin(np.arange(len(after.labels)), after.examples)
    changed = {*before.examples} ^ {*after.examples}
    for label in sorted({*after.labels.tolist()} - {NOISE, REJECTED}):
        rows = np.flatnonzero(after.labels == label)
        same = np.array_equal(rows, np.flatnonzero(before.labels == label))
        if same and changed.isdisjoint(rows.tolist()):
            typical[label] = before.representatives.get(label, ())
            diverse[label] = before.diverse.get(label, ())
            continue
        distances = np.nan_to_num(after.distances[rows], nan=9.0)
        order = rows[np.lexsort((distances, ~chosen[rows]))]
        typical[label] = tuple(order[:TYPICAL].tolist())
        diverse[label] = (
            _even_steps(order, DIVERSE)
            if vectors is None
            else similarity.diverse(vectors, order, DIVERSE)
        )
    return replace(after, representatives=typical, diverse=diverse)


def _even_steps(typical_first: NDArray[np.intp], most: int) -> tuple[int, ...]:
    """From the most to the least typical in even steps, since the page holds no vectors."""
    steps = np.linspace(0, len(typical_first) - 1, min(most, len(typical_first)))
    return tuple(typical_first[np.unique(steps.round().astype(np.intp))].tolist())
