"""`preview.html` → what it was drawn from, so that it can be redrawn after a change.

The file may have been edited by anyone: what does not fit together is refused, nothing is run, and
a thumbnail is decoded only when it is looked at.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.similarity import Similarity
from itae_cluster.core.types import NOISE, REJECTED, Levels, Suggestion
from itae_cluster.preview.atlas import SHEET, Atlas, Tile
from itae_cluster.preview.data import Measure, PreviewData
from itae_cluster.preview.facts import facts_of
from itae_cluster.results.placements import REJECTED_FOLDER
from itae_cluster.results.plan import check_merges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

__all__ = ["read_page"]

_DATA = re.compile(rb'<script type="application/json" id="data">([^<]*)</script>')
_SHEETS = re.compile(rb'<script type="text/plain" id="sheet-\d+">([^<]*)</script>')
_SHEETS_HELD = 4  # decoded at a time, 12 MB each
_QUALITY = 90


def read_page(content: bytes) -> tuple[PreviewData, Atlas]:
    """What a page shows, and its thumbnails as they lie in it.

    Args:
        content: the bytes of `preview.html`.

    Raises:
        ValueError: if it is no page of this version, or does not fit together.
    """
    found = _DATA.search(content)
    if found is None:
        raise ValueError("it holds no data")
    try:
        payload = json.loads(found[1])
        sheets = tuple(
            base64.b64decode(text[1], validate=True) for text in _SHEETS.finditer(content)
        )
        atlas = Atlas(_tiles(payload, len(sheets)), sheets)
        return _data(payload, atlas), atlas
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"its data do not fit together ({error!r})") from error


def _data(payload: Mapping[str, Any], atlas: Atlas) -> PreviewData:
    groups = payload["groups"]
    labels = [_label(group) for group in groups]
    names = tuple(map(str, payload["path"]))
    n = len(names)
    coordinates = np.array([payload["x"], payload["y"]], dtype=np.float32).reshape(2, n).T
    coordinates[:, 1] = 1 - coordinates[:, 1]
    return PreviewData(
        coordinates=coordinates,
        labels=np.array([labels[number] for number in _rows(payload["group"], len(groups), n)]),
        names=names,
        distances=np.array(payload["distance"], dtype=np.float32).reshape(n),
        representatives=_by_label(payload, labels, "typical", n),
        folders={
            label: str(group.get("key", group["folder"]))
            for label, group in zip(labels, groups, strict=True)
        },
        thumbnails=_TileJpegs(atlas),
        title=str(payload["title"]),
        subtitle=str(payload["subtitle"]),
        diverse=_by_label(payload, labels, "diverse", n),
        similarity=_similarity(payload, n),
        measures=_measures(payload.get("measures", {}), n),
        sizes={label: int(group["count"]) for label, group in zip(labels, groups, strict=True)},
        suggested={
            label: Suggestion(found["name"], tuple(map(str, found["tags"])), found["confidence"])
            for label, group in zip(labels, groups, strict=True)
            if (found := group.get("suggested")) is not None
        },
        digest=str(payload.get("result", "")),
        levels=_levels(payload.get("levels"), n),
        examples=tuple(_rows(payload.get("examples", ()), n)),
        facts=facts_of(payload, n),
    )


def _levels(record: Mapping[str, Any] | None, n: int) -> Levels | None:
    if record is None:
        return None
    merges = [[int(node) for node in pair] for pair in record["merges"]]
    check_merges(merges)
    leaves = [1 + int(leaf) for leaf in record["leaf"]]  # −1, which is none, becomes a row
    leaves = _rows(leaves, 2 + len(merges), n)
    return Levels(np.array(leaves) - 1, np.array(merges, dtype=np.int64).reshape(-1, 2))


def _label(group: Mapping[str, Any]) -> int:
    if group["number"] is not None:
        return int(group["number"])
    return REJECTED if group["folder"] == REJECTED_FOLDER else NOISE


def _rows(values: Any, limit: int, n: int | None = None) -> list[int]:
    """Whole numbers below `limit`, `n` of them where that is given."""
    rows = [int(value) for value in values]
    if any(not 0 <= row < limit for row in rows) or n not in {None, len(rows)}:
        raise ValueError("a number is out of its range")
    return rows


def _by_label(
    payload: Mapping[str, Any], labels: list[int], key: str, n: int
) -> dict[int, tuple[int, ...]]:
    groups = payload["groups"]
    return {label: tuple(_rows(group[key], n)) for label, group in zip(labels, groups, strict=True)}


def _similarity(payload: Mapping[str, Any], n: int) -> Similarity | None:
    if not payload["neighbours"]:
        return None
    nearest = np.array([_rows(row, n) for row in payload["neighbours"]], dtype=np.int64)
    cosines = np.array(payload["cosines"], dtype=np.float32)
    if len(nearest) != n or nearest.shape != cosines.shape:
        raise ValueError("neighbours and cosines do not fit together")
    duplicates = tuple(tuple(_rows(group, n)) for group in payload["duplicates"])
    alike = payload.get("alike")
    if alike is None:  # a page of an earlier version
        return Similarity(nearest, cosines, duplicates)
    pairs = np.array([_rows(alike["one"], n), _rows(alike["other"], n)], dtype=np.int64).T
    alikeness = np.array(alike["cosines"], dtype=np.float32)
    if len(pairs) != len(alikeness):
        raise ValueError("pairs and their cosines do not fit together")
    return Similarity(nearest, cosines, duplicates, pairs, alikeness, float(alike["from"]))


def _measures(payload: Mapping[str, Any], n: int) -> dict[int, Measure]:
    rows = _rows(payload, n)
    return {
        row: Measure(*map(int, found)) for row, found in zip(rows, payload.values(), strict=True)
    }


def _tiles(payload: Mapping[str, Any], sheets: int) -> dict[int, Tile]:
    tiles = {}
    for row, place in enumerate(payload["tile"]):
        if place is not None:
            sheet, left, top, width, height = (int(value) for value in place)
            if not (0 <= sheet < sheets and min(left, top) >= 0 and min(width, height) > 0):
                raise ValueError("a thumbnail is out of its sheet")
            tiles[row] = Tile(sheet, left, top, width, height)
    return tiles


class _TileJpegs(Mapping[int, bytes]):
    """JPEG bytes of each thumbnail, cut out of its sheet; of a damaged sheet, nothing readable."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._image = functools.lru_cache(_SHEETS_HELD)(self._decode)

    def __getitem__(self, row: int) -> bytes:
        tile = self._atlas.tiles[row]
        sheet = self._image(tile.sheet)
        if sheet is None:
            return b""
        box = (tile.left, tile.top, tile.left + tile.width, tile.top + tile.height)
        stream = io.BytesIO()
        sheet.crop(box).save(stream, "JPEG", quality=_QUALITY)
        return stream.getvalue()

    def __iter__(self) -> Iterator[int]:
        return iter(self._atlas.tiles)

    def __len__(self) -> int:
        return len(self._atlas.tiles)

    def _decode(self, number: int) -> Image.Image | None:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._atlas.sheets[number]), formats=("WEBP",)) as image:
                return image.convert("RGB") if max(image.size) <= SHEET else None
        except (OSError, SyntaxError, ValueError):
            return None
