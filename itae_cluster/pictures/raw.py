"""Cameras' raw files: the preview that the camera put in, developed only where there is none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures import tiff
from itae_cluster.pictures.formats import is_installed, too_large

if TYPE_CHECKING:
    import rawpy

__all__ = ["is_raw", "open_raw"]

_NEEDED = "a camera's raw file; to read it: pip install 'itae-cluster[raw]'"
_LEAST_PREVIEW = 256  # pixels of its longer side; a smaller one is an icon
_LARGE = 1024  # pixels of the shorter side
_TIFF_LIKE = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # ORF, RW2
_OTHERS = (b"FUJIFILMCCD-RAW", b"\0MRM", b"FOVb")  # RAF, MRW, X3F
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}  # by what LibRaw calls flip


def is_raw(file: BinaryIO) -> bool:
    """Whether the content is a camera's raw file."""
    file.seek(0)
    head = file.read(16)
    if head.startswith(_TIFF_LIKE + _OTHERS) or head[4:12] == b"ftypcrx " or head[8:10] == b"CR":
        return True
    return head.startswith(tiff.MAGIC) and tiff.is_camera_raw(file)


def open_raw(file: BinaryIO, max_pixels: int) -> Image.Image | None:
    """The picture in a raw file, loaded; None where it turns out to be none.

    Raises:
        DecodeError: The library is missing, or the picture is too large or damaged.
    """
    if not is_installed("rawpy"):
        raise DecodeError(_NEEDED)
    import rawpy

    try:
        file.seek(0)
        with rawpy.imread(file) as raw:
            width, height = raw.sizes.raw_width, raw.sizes.raw_height
            if width * height > max_pixels:
                raise DecodeError(too_large(width, height, max_pixels))
            return _preview(raw) or _develop(raw)
    except rawpy.LibRawFileUnsupportedError:
        return None
    except rawpy.LibRawError as error:
        raise DecodeError("damaged (a raw file that cannot be developed)") from error


def _preview(raw: rawpy.RawPy) -> Image.Image | None:
    """What the camera shows; its JPEG says seldom how it is to be turned, the raw file does."""
    import rawpy

    try:
        found = raw.extract_thumb()
        if found.format == rawpy.ThumbFormat.JPEG:
            image: Image.Image = Image.open(io.BytesIO(bytes(found.data)), formats=("JPEG",))
            image.load()
        else:
            image = Image.fromarray(np.asarray(found.data))
    except Exception:  # noqa: BLE001 - without a preview that can be read, it is developed
        return None
    sizes = raw.sizes
    if max(image.size) < min(_LEAST_PREVIEW, max(sizes.width, sizes.height)):
        return None
    exif = image.getexif()
    if ExifTags.Base.Orientation not in exif:
        exif[ExifTags.Base.Orientation] = _ORIENTATIONS.get(sizes.flip, 1)
    return image


def _develop(raw: rawpy.RawPy) -> Image.Image:
    """Upright, in sRGB, large ones at half their size, which takes a quarter of the time."""
    import rawpy

    half = min(raw.sizes.width, raw.sizes.height) >= _LARGE
    pixels = raw.postprocess(
        half_size=half, use_camera_wb=True, output_color=rawpy.ColorSpace.sRGB, output_bps=8
    )
    return Image.fromarray(pixels)
