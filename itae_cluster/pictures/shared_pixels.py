"""Memory that decoder processes write and this one reads, so that no pixels are sent.

The memory has no name by the time anybody uses it, so it goes with the last process that has it,
however that ends.
"""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SharedPixels"]


class SharedPixels:
    """Slots for pictures; passed to a process as an argument when it starts, and not later.

    Attributes:
        pixels: (count, size, size, 3) uint8, RGB.
        begun: (count + more,) uint8, 1 where the file of this slot is being read, or was.

    Args:
        count: how many slots.
        size: side of a picture in pixels.
        more: how many slots without pixels come after them.
        context: of `multiprocessing`, that of the processes.

    Raises:
        OSError: if there is no room for them.
    """

    def __init__(self, count: int, size: int, more: int, context: Any) -> None:
        self._shape: tuple[int, ...] = (count, size, size, 3)
        self._memory = context.RawArray(ctypes.c_uint8, math.prod(self._shape) + count + more)
        self._view()

    def _view(self) -> None:
        flat = np.frombuffer(self._memory, dtype=np.uint8)
        end = math.prod(self._shape)
        self.pixels: NDArray[np.uint8] = flat[:end].reshape(self._shape)
        self.begun: NDArray[np.uint8] = flat[end:]

    def __getstate__(self) -> tuple[tuple[int, ...], Any]:
        return self._shape, self._memory

    def __setstate__(self, state: tuple[tuple[int, ...], Any]) -> None:
        self._shape, self._memory = state
        self._view()

    def at_hand(self, slots: slice) -> int | None:
        """Which of these slots a process came to last; None if it had not begun with one."""
        begun = int(np.count_nonzero(self.begun[slots]))
        return begun - 1 if begun else None
