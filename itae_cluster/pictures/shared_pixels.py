"""Pixels in memory that decoder processes write and this one reads, so that none are sent.

The memory has no name by the time anybody uses it, so it goes with the last process that has it,
however that ends.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SharedPixels"]


class SharedPixels:
    """Slots for pictures; passed to a process as an argument when it starts, and not later.

    Attributes:
        pixels: (count, size, size, 3) uint8, RGB.
        begun: (count,) uint8, 1 where the file that goes into the slot is being read, or was.

    Args:
        count: how many slots.
        size: side of a picture in pixels.
        context: of `multiprocessing`, that of the processes.

    Raises:
        OSError: if there is no room for them.
    """

    def __init__(self, count: int, size: int, context: Any) -> None:
        self._count = count
        self._size = size
        self._memory = context.RawArray(ctypes.c_uint8, count * (3 * size**2 + 1))
        self._view()

    def _view(self) -> None:
        flat = np.frombuffer(self._memory, dtype=np.uint8)
        self.begun: NDArray[np.uint8] = flat[-self._count :]
        shape = (self._count, self._size, self._size, 3)
        self.pixels: NDArray[np.uint8] = flat[: -self._count].reshape(shape)

    def __getstate__(self) -> tuple[int, int, Any]:
        return self._count, self._size, self._memory

    def __setstate__(self, state: tuple[int, int, Any]) -> None:
        self._count, self._size, self._memory = state
        self._view()

    def at_hand(self, slots: slice) -> int | None:
        """Which of these slots a process came to last; None if it had not begun with one."""
        begun = int(np.count_nonzero(self.begun[slots]))
        return begun - 1 if begun else None
