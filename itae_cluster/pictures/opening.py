"""A file → an image of Pillow, by whichever library reads its kind right; mostly not loaded yet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, UnidentifiedImageError

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures import jpeg, raw, tiff
from itae_cluster.pictures.formats import decodable_formats, too_large
from itae_cluster.pictures.headers import HEAD, add_colours, jxl_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load", "open_image"]

_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_JXL_NEEDED = "a JPEG XL picture; to read it: pip install 'itae-cluster[jxl]'"
_JPEGS = frozenset({"JPEG", "MPO"})


def open_image(file: BinaryIO, max_pixels: int) -> Image.Image:
    """The picture in a file, of any kind that can be read.

    Raises:
        DecodeError: It is of a kind that cannot be read, or larger than `max_pixels`.
    """
    file.seek(0)
    head = file.read(HEAD)
    if raw.is_raw(file):
        found = raw.open_raw(file, max_pixels)
        if found is not None:
            return found
    if head.startswith(tiff.MAGIC):
        return tiff.open_tiff(file, max_pixels)
    if head.startswith(_JXL):
        _check_jxl(head, max_pixels)
    file.seek(0)
    try:
        image = Image.open(file, formats=decodable_formats())
        add_colours(image, head)
        return image
    except UnidentifiedImageError:
        file.seek(0)
        cleaned = jpeg.clean(file.read())
        if cleaned is None:
            raise
        return Image.open(io.BytesIO(cleaned), formats=("JPEG",))


def _check_jxl(head: bytes, max_pixels: int) -> None:
    if "JXL" not in decodable_formats():
        raise DecodeError(_JXL_NEEDED)
    width, height = jxl_size(head) or (0, 0)
    if width * height > max_pixels:
        raise DecodeError(too_large(width, height, max_pixels))


def load(
    image: Image.Image, file: BinaryIO, draft: Callable[[Image.Image], object]
) -> tuple[Image.Image, str | None]:
    """The pixels of an opened picture, and how it is damaged, if it is.

    Args:
        image: From `open_image`.
        file: What it was opened from.
        draft: Tells a JPEG what it may be reduced to while it is decoded.

    Raises:
        DecodeError: A cut JPEG of which too little is there.
        OSError: As Pillow raises it.
    """
    draft(image)
    try:
        image.load()
    except OSError:
        if image.format not in _JPEGS:
            raise
        file.seek(0)
        data = jpeg.clean(file.read())
        if data is None:
            raise
        return jpeg.load_cut(data, draft)
    return image, None
