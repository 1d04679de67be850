"""What is known of the pictures, as columns of the page's document, and back.

A tag is one whole number: the place of its word in the vocabulary and its share in tenths. Dates
are seconds since 1970 on the camera's own clock.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from itae_cluster.core.types import Facts
from itae_cluster.model.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["facts_columns", "facts_of"]

_TENTHS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def facts_columns(facts: Sequence[Facts]) -> dict[str, Any]:
    """The columns; one of which nothing is known is empty.

    Returns:
        `vocabulary` [offset, words, parents, what it is called] of each synset · `tags` of each
        picture, null where nobody has looked · `taken` · `camera`, places in `cameras`.
    """
    seen = any(each.tags is not None for each in facts)
    cameras = sorted({each.camera for each in facts if each.camera})
    number = {name: place for place, name in enumerate(cameras)}
    dated = any(each.taken for each in facts)
    return {
        "vocabulary": _vocabulary() if seen else [],
        "tags": [_tags(each) for each in facts] if seen else [],
        "taken": [_seconds(each.taken) for each in facts] if dated else [],
        "cameras": cameras,
        "camera": [number.get(each.camera or "") for each in facts] if cameras else [],
    }


@functools.cache
def _vocabulary() -> list[list[Any]]:
    return [
        [int(each.offset), "|".join(each.words), list(each.parents), each.said or 0]
        for each in load_vocabulary().synsets
    ]


@functools.cache
def _places() -> dict[str, int]:
    return {each.offset: place for place, each in enumerate(load_vocabulary().synsets)}


def _tags(facts: Facts) -> list[int] | None:
    if facts.tags is None:
        return None
    places = _places()
    return [
        places[offset] * _TENTHS + min(_TENTHS - 1, int(share * _TENTHS))
        for offset, share in facts.tags
        if offset in places
    ]


def _seconds(taken: str | None) -> int | None:
    if taken is None:
        return None
    return int((datetime.fromisoformat(taken).replace(tzinfo=UTC) - _EPOCH).total_seconds())


def facts_of(payload: Mapping[str, Any], n: int) -> tuple[Facts, ...]:
    """What the columns say of `n` pictures; a page of an earlier version has none.

    Raises:
        ValueError, TypeError, IndexError: if they do not fit together.
    """
    offsets = [f"{int(row[0]):08d}" for row in payload.get("vocabulary", ())]
    cameras = [str(name) for name in payload.get("cameras", ())]
    columns = [payload.get(key) or [None] * n for key in ("tags", "taken", "camera")]
    return tuple(
        Facts(
            tags=None if tags is None else tuple(_tag(tag, offsets) for tag in tags),
            taken=None if taken is None else _date(int(taken)),
            camera=None if camera is None else cameras[_checked(camera)],
        )
        for _, tags, taken, camera in zip(range(n), *columns, strict=True)
    )


def _tag(tag: Any, offsets: Sequence[str]) -> tuple[str, float]:
    place, tenths = divmod(_checked(tag), _TENTHS)
    return offsets[place], tenths / _TENTHS


def _checked(number: Any) -> int:
    if int(number) < 0:
        raise ValueError("a number is out of its range")
    return int(number)


def _date(seconds: int) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        raise ValueError("a date is out of its range") from None
