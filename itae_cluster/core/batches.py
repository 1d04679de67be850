"""Many rows, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["slices"]


def slices(n: int, size: int) -> Iterator[slice]:
    """The numbers below `n` as slices of `size`; the last may be shorter."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
