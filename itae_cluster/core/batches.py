"""Many rows, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["batches", "slices"]

T = TypeVar("T")


def slices(n: int, size: int) -> Iterator[slice]:
    """The numbers below `n` as slices of `size`; the last may be shorter."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, `size` at a time; the last batch may be smaller."""
    return (items[part] for part in slices(len(items), size))
