"""What the page's scripts read: one JSON document, a list for each column.

One list per column takes a tenth of the room of one object per picture.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from itae_cluster.clustering.similarity import NEAR_DUPLICATE
from itae_cluster.core.text import printable
from itae_cluster.drawing.layout import to_unit_square
from itae_cluster.drawing.palette import colour, ink_on
from itae_cluster.preview.facts import facts_columns
from itae_cluster.preview.groups import list_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.clustering.similarity import Similarity
    from itae_cluster.core.types import Levels, Suggestion
    from itae_cluster.preview.atlas import Atlas
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["make_payload", "to_json"]

_DIGITS = 5  # of a coordinate in 0–1: a hundredth of a pixel on a wide screen
_COSINE_DIGITS = 3
_PAIR_DIGITS = 4
_COLOURS = 256  # more clusters than that share them

# Inside <script> only `</script` and `<!--` would be understood as HTML; `&` is escaped for readers
# that treat the file as XHTML.
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&"})


def to_json(payload: dict[str, Any]) -> str:
    """ASCII JSON that may stand in a `<script>` element.

    Names keep their bytes: what is not UTF-8 travels as lone surrogates, which JavaScript reads.
    """
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def make_payload(data: PreviewData, atlas: Atlas) -> dict[str, Any]:
    """The document, described in `docs/preview.md`."""
    groups = list_groups(data)
    position = {group.label: number for number, group in enumerate(groups)}
    places = to_unit_square(data.coordinates)
    columns = {
        "title": data.title,
        "subtitle": data.subtitle,
        "total": sum(group.count for group in groups),
        "nearDuplicate": NEAR_DUPLICATE,
        "palette": list(dict.fromkeys(colour(label) for label in range(_COLOURS))),
        "groups": [_group(group, data) for group in groups],
        "x": [round(value, _DIGITS) for value in places[:, 0].tolist()],
        "y": [round(1 - value, _DIGITS) for value in places[:, 1].tolist()],
        "group": [position[label] for label in data.labels.tolist()],
        "path": list(data.names),
        "shown": _readable_names(data.names),
        "distance": [_number(value) for value in data.distances.tolist()],
        "result": data.digest,
        "levels": _levels(data.levels),
        "examples": list(data.examples),
        **_similarity(data),
        **_tiles(atlas, len(data.names)),
        **facts_columns(data.facts),
    }
    # Names given in the page are kept by the browser under this key, for this very result.
    columns["key"] = hashlib.sha256(to_json(columns).encode("ascii")).hexdigest()[:16]
    return columns


def _group(group: Group, data: PreviewData) -> dict[str, Any]:
    raw = data.folders.get(group.label, group.folder)  # which changes.json names; `folder` is shown
    return {
        "number": None if group.is_noise else group.label,
        "folder": group.folder,
        **({} if raw == group.folder else {"key": raw}),
        "count": group.count,
        "colour": group.colour,
        "ink": ink_on(group.colour),
        "anchor": group.anchor,
        "suggested": _suggested(data.suggested.get(group.label), group),
        "typical": list(data.representatives.get(group.label, ())),
        "diverse": list(data.diverse.get(group.label, ())),
    }


def _suggested(found: Suggestion | None, group: Group) -> dict[str, Any] | None:
    """Of the suggestion what the page shows; a folder that has a name needs no other."""
    if found is None:
        return None
    return {"name": group.suggested, "tags": list(found.tags), "confidence": found.confidence}


def _readable_names(names: Sequence[str]) -> dict[int, str]:
    """File names that have to be written differently to be read, by picture."""
    bases = (name.rpartition("/")[2] for name in names)
    written = ((row, base, printable(base)) for row, base in enumerate(bases))
    return {row: shown for row, base, shown in written if shown != base}


def _similarity(data: PreviewData) -> dict[str, Any]:
    if data.similarity is None:
        return {"neighbours": [], "cosines": [], "duplicates": [], "alike": None, "measures": {}}
    cosines = data.similarity.cosines.astype(float).round(_COSINE_DIGITS)
    return {
        "neighbours": data.similarity.neighbours.tolist(),
        "cosines": [[_number(value) for value in row] for row in cosines.tolist()],
        "duplicates": [list(group) for group in data.similarity.duplicates],
        "alike": _alike(data.similarity),
        "measures": {
            row: [found.width, found.height, found.size]
            for row, found in sorted(data.measures.items())
        },
    }


def _alike(found: Similarity) -> dict[str, Any]:
    """Pairs in two columns of rows and one of cosines, which fall from the first to the last."""
    return {
        "from": _number(found.alike_from),
        "one": found.pairs[:, 0].tolist(),
        "other": found.pairs[:, 1].tolist(),
        "cosines": found.pair_cosines.astype(float).round(_PAIR_DIGITS).tolist(),
    }


def _levels(levels: Levels | None) -> dict[str, Any] | None:
    if levels is None:
        return None
    return {"leaf": levels.leaves.tolist(), "merges": levels.merges.tolist()}


def _tiles(atlas: Atlas, n: int) -> dict[str, Any]:
    """For each picture [sheet, left, top, width, height], or null."""
    tiles = (atlas.tiles.get(row) for row in range(n))
    return {
        "sheets": len(atlas.sheets),
        "tile": [
            None if tile is None else [tile.sheet, tile.left, tile.top, tile.width, tile.height]
            for tile in tiles
        ],
    }


def _number(value: float) -> float | None:
    """A rounded number, null where it is NaN or infinite, which JSON does not know."""
    return round(value, _DIGITS) if math.isfinite(value) else None
