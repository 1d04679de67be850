"""What the libraries leave unread in the heads of files: colours of some, the size of JPEG XL."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["HEAD", "add_colours", "jxl_size"]

HEAD = 1 << 16
"""Bytes from the start of a file that are looked at."""

_PROFILE_HEADER = 128  # bytes that every ICC profile has at least
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width : height
_SIZE_BITS = (9, 13, 18, 30)


def add_colours(image: Image.Image, head: bytes) -> None:
    """Put into `info` the colours that a JP2, AVIF or PNG (cICP) declares, if it has no others.

    Args:
        image: As opened.
        head: The first bytes of its file.
    """
    if image.info.get("icc_profile"):
        return
    if image.format == "JPEG2000" and (place := head.find(b"colr\x02")) >= 0:
        profile = head[place + 7 :]
        size = int.from_bytes(profile[:4], "big")
        if _PROFILE_HEADER <= size <= len(profile):
            image.info["icc_profile"] = profile[:size]
    elif image.format == "AVIF" and (place := head.find(b"colrnclx")) >= 0:
        _add_named(image, *struct.unpack(">HH", head[place + 8 : place + 12].ljust(4, b"\0")))
    elif image.format == "PNG" and (place := head.find(b"\0\0\0\x04cICP")) >= 0:
        _add_named(image, *head[place + 8 : place + 10].ljust(2, b"\0"))


def _add_named(image: Image.Image, primaries: int, transfer: int) -> None:
    """As pillow-heif does for HEIF."""
    named = {"color_primaries": primaries, "transfer_characteristics": transfer}
    image.info["nclx_profile"] = named


def jxl_size(head: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG XL, whose plugin decodes on opening; None if not found."""
    start = 0
    if not head.startswith(b"\xff\x0a"):
        boxes = [head.find(b"jxlc\xff\x0a") + 4, head.find(b"jxlp\0\0\0\0\xff\x0a") + 8]
        start = max((place for place in boxes if place > 8), default=-1)
        if start < 0:
            return None
    bits = int.from_bytes(head[start + 2 : start + 14].ljust(12, b"\0"), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take(_SIZE_BITS[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height
