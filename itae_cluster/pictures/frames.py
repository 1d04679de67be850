"""Which frame of an animated picture stands for it: the first that shows something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["seek_shown_frame"]

_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "JXL"})
_MOST_FRAMES = 300  # tried; a film that is empty for longer stays so
_UNIFORM = 10  # levels: lossy formats make noise of a plain colour
_INVISIBLE = 8  # levels of alpha


def seek_shown_frame(image: Image.Image) -> None:
    """Move on from an empty first frame; where all are empty, or one is broken, the first stays.

    A frame of a single colour, or wholly transparent, is empty.
    """
    if image.format not in _ANIMATED or not getattr(image, "is_animated", False):
        return
    if not _is_empty(image):
        return
    for number in range(1, _MOST_FRAMES):
        try:
            image.seek(number)
            if not _is_empty(image):
                return
        except Exception:  # noqa: BLE001 - EOFError at the end, anything in a damaged frame
            break
    image.seek(0)


def _is_empty(image: Image.Image) -> bool:
    image.load()
    *colours, alpha = image.convert("RGBA").getextrema()
    (least, most) = alpha  # type: ignore[misc]
    if most <= _INVISIBLE:
        return True
    if most - least > _UNIFORM:
        return False
    return all(high - low <= _UNIFORM for low, high in colours)  # type: ignore[misc]
