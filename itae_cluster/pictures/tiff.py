"""TIFF files: plain kinds through Pillow, all others through tifffile, and never as noise.

Pillow reads 1-bit and 8-bit pictures well. What else it opens it may misread (16 bits in planes,
negatives of 16 bits, palettes of 8-bit values), and much it does not know (BigTIFF of the other
byte order, floating-point colours, 32 bits, Lab with alpha).
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures.formats import too_large
from itae_cluster.pictures.samples import to_levels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

__all__ = ["MAGIC", "is_camera_raw", "open_tiff"]

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins, of either byte order, plain and Big."""

_PAGES = 32  # looked at for the full picture
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_OLD_REDUCED = 2  # of SubfileType
_BYTES_A_PIXEL = 32  # more, and it is a stack of measurements: memory is at stake
_COPY = 16.0  # mean difference in levels of a reduced copy from the picture it was made of

# Photometric interpretations.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _TRANSPARENCY, _CMYK, _YCBCR = range(7)
_LAB, _ICC_LAB = 8, 9
_SENSOR = frozenset({32803, 34892})  # colour filter array, linear raw
_COLOURS = {
    **dict.fromkeys((_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _TRANSPARENCY), 1),
    **dict.fromkeys((_RGB, _YCBCR, _LAB, _ICC_LAB), 3),
    _CMYK: 4,
}
_JPEG = frozenset({6, 7, 34892, 33007})  # compressions that give RGB for YCbCr
_ASSOCIATED, _UNASSOCIATED = 1, 2  # kinds of alpha

# What Pillow is asked for: none, CCITT, LZW, JPEG of both kinds, deflate, PackBits. Of others its
# libtiff may know nothing, and says so on stderr.
_PLAIN_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946})
_PLAIN = frozenset({_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR})
_UNSIGNED = 1  # sample format
_DNG_VERSION, _ORIENTATION, _PROFILE = 50706, 274, 34675

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what is wrong is raised as well


def is_camera_raw(file: BinaryIO) -> bool:
    """Whether a TIFF holds what a camera's sensor measured (DNG, NEF, ARW, PEF, …)."""
    import tifffile

    try:
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:
            return any(
                page.photometric in _SENSOR or _DNG_VERSION in page.tags for page in _all(tiff)
            )
    except Exception:  # noqa: BLE001 - what cannot be parsed is for others to refuse
        return False


def open_tiff(file: BinaryIO, max_pixels: int) -> Image.Image:
    """The full picture of a TIFF, as an image that may not be loaded yet.

    Raises:
        DecodeError: It is of a kind that cannot be read right, or larger than `max_pixels`.
    """
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        first = tiff.pages.first
        page = _full_page(tiff, max_pixels)
        _check_size(page, max_pixels)
        if page is first and _is_plain(page):
            plain = _with_pillow(file)
            if plain is not None:
                return plain
        return _with_tifffile(page, first)


def _check_size(page: TiffPage, max_pixels: int) -> None:
    pixels = page.imagewidth * page.imagelength
    if pixels > max_pixels:
        raise DecodeError(too_large(page.imagewidth, page.imagelength, max_pixels))
    if not pixels:
        raise DecodeError("damaged (a TIFF without pixels)")
    if page.nbytes > _BYTES_A_PIXEL * max_pixels:
        raise DecodeError("too large for the memory of this machine")


def _with_pillow(file: BinaryIO) -> Image.Image | None:
    """Loaded, so that a kind that Pillow fails on can be tried in the other way."""
    try:
        file.seek(0)
        image = Image.open(file, formats=("TIFF",))
        image.load()
    except Image.DecompressionBombError:
        raise
    except Exception:  # noqa: BLE001 - tifffile has the last word, and says what is wrong
        return None
    return image


# Which page ------------------------------------------------------------------------------------


def _all(tiff: TiffFile) -> Iterator[TiffPage]:
    """The pages, and the pictures that hang on the first."""
    first = tiff.pages.first
    for number, page in enumerate(itertools.islice(iter(tiff.pages), _PAGES)):
        yield first if number == 0 else page.aspage()
    if first.subifds:
        for below in itertools.islice(iter(first.pages or ()), _PAGES):
            yield below.aspage()


def _full_page(tiff: TiffFile, max_pixels: int) -> TiffPage:
    first = tiff.pages.first
    if _is_full(first):
        return _larger_copy(tiff, first, max_pixels) or first
    pages = [page for page in _all(tiff) if page.photometric in _COLOURS]
    full = [page for page in pages if _is_full(page)]
    if full:
        return full[0]
    return max(pages, key=lambda page: page.imagewidth * page.imagelength, default=first)


def _is_full(page: TiffPage) -> bool:
    kind = int(page.subfiletype or 0)
    old = page.tags.get(255)
    return not kind & (_REDUCED | _MASK) and (old is None or old.value != _OLD_REDUCED)


def _larger_copy(tiff: TiffFile, first: TiffPage, max_pixels: int) -> TiffPage | None:
    """The second page, where the first is a reduced copy of it that does not say so."""
    try:
        second = tiff.pages[1].aspage() if len(tiff.pages[:2]) > 1 else None
    except Exception:  # noqa: BLE001 - a broken second page is no reason against the first
        return None
    if second is None or not _is_full(second) or not _has_shape_of(second, first):
        return None
    try:
        _check_size(second, max_pixels)
        small, large = (_with_tifffile(page, first).convert("RGB") for page in (first, second))
    except Exception:  # noqa: BLE001 - as above
        return None
    reduced = np.asarray(large.resize(small.size, Image.Resampling.BOX), dtype=np.float32)
    return second if np.abs(reduced - np.asarray(small)).mean() < _COPY else None


def _has_shape_of(large: TiffPage, small: TiffPage) -> bool:
    across, down = (
        large.imagewidth / max(1, small.imagewidth),
        large.imagelength / max(1, small.imagelength),
    )
    return min(across, down) > 1.2 and abs(across / down - 1) < 0.05


# Pixels ----------------------------------------------------------------------------------------


def _is_plain(page: TiffPage) -> bool:
    bits = page.bitspersample
    return (
        page.photometric in _PLAIN
        and page.compression in _PLAIN_COMPRESSIONS
        and page.sampleformat == _UNSIGNED
        and (bits == 8 or (bits == 1 and page.samplesperpixel == 1))
        and page.samplesperpixel <= _COLOURS[page.photometric] + 1
    )


def _with_tifffile(page: TiffPage, first: TiffPage) -> Image.Image:
    _check_whole(page)
    kind = int(page.photometric)
    if kind not in _COLOURS:
        raise DecodeError("a kind of TIFF that cannot be read right (its colours are not known)")
    values = _samples(page)
    colours = _COLOURS[kind]
    if values.shape[2] < colours:
        raise DecodeError("a kind of TIFF that cannot be read right (it lacks a colour)")
    image = _to_image(page, kind, values[:, :, :colours])
    alpha = _alpha(page, values, colours)
    if alpha is not None:
        image = _with_alpha(image, *alpha)
    profile = _tag(page, first, _PROFILE)
    if isinstance(profile, bytes) and kind not in {_LAB, _ICC_LAB}:
        image.info["icc_profile"] = profile
    orientation = _tag(page, first, _ORIENTATION)
    if orientation is not None:
        image.getexif()[ExifTags.Base.Orientation] = int(orientation)
    return image


def _check_whole(page: TiffPage) -> None:
    size = page.parent.filehandle.size
    ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
    if max(ends, default=0) > size:
        raise DecodeError("truncated (the file ends before the picture does)")


def _samples(page: TiffPage) -> NDArray[Any]:
    """(height, width, samples), of whatever type the file has."""
    values = page.asarray()
    for axis in [name for name in page.axes if name not in "YXS"]:
        values = values.take(0, axis=page.axes.index(axis))  # the first slice of a volume
        break
    axes = "".join(name for name in page.axes if name in "YXS")
    if "S" not in axes:
        return values[:, :, None]
    return np.moveaxis(values, axes.index("S"), 2)


def _to_image(page: TiffPage, kind: int, values: NDArray[Any]) -> Image.Image:
    if kind == _PALETTE:
        return _from_palette(page, values[:, :, 0])
    if kind in {_LAB, _ICC_LAB}:
        return _from_lab(values, signed=kind == _LAB)
    levels = to_levels(values, int(page.bitspersample))
    if kind == _WHITE_IS_ZERO:
        levels = 255 - levels
    if kind == _CMYK:
        return Image.fromarray(np.ascontiguousarray(levels), "CMYK")
    if kind == _YCBCR and page.compression not in _JPEG:
        return Image.fromarray(np.ascontiguousarray(levels), "YCbCr").convert("RGB")
    return Image.fromarray(
        np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    )


def _from_palette(page: TiffPage, indices: NDArray[Any]) -> Image.Image:
    if page.colormap is None:
        raise DecodeError("damaged (a TIFF with a palette that is missing)")
    table: NDArray[Any] = np.asarray(page.colormap).reshape(3, -1).T  # (entries, 3)
    if table.max(initial=0) > 0xFF:  # 16 bits, as the standard has it; some write 8
        table = table >> 8
    known = np.minimum(indices, len(table) - 1)
    return Image.fromarray(np.ascontiguousarray(table.astype(np.uint8)[known]))


def _from_lab(values: NDArray[Any], *, signed: bool) -> Image.Image:
    """(h, w, 3) L*a*b* → RGB, by way of 8 bits: L from 0, a and b around 128."""
    from itae_cluster.pictures.flatten import lab_to_srgb

    lightness, colours = values[:, :, :1], values[:, :, 1:]
    if values.dtype.kind == "f":
        lightness, colours = lightness * 2.55, colours + 128.0
    else:
        wide = values.dtype.itemsize == 2
        top = 65535 if signed else 65280  # 16-bit ICC Lab has 100 at 0xFF00
        lightness = lightness * (255 / top) if wide else lightness
        if signed:
            colours = colours.view(np.int16 if wide else np.int8).astype(np.float64)
            colours = colours / (256 if wide else 1) + 128
        else:
            colours = colours / (256 if wide else 1)
    lab = np.rint(np.concatenate([lightness, colours], axis=2)).clip(0, 255).astype(np.uint8)
    lab[:, :, 1:] ^= 128  # the file's form, which Pillow turns back
    height, width = lab.shape[:2]
    return lab_to_srgb(Image.frombytes("LAB", (width, height), lab.tobytes(), "raw", "LAB"))


def _alpha(
    page: TiffPage, values: NDArray[Any], colours: int
) -> tuple[NDArray[np.uint8], bool] | None:
    """(h, w) uint8, and whether the colours were multiplied by it; None where there is none."""
    for place, kind in enumerate(page.extrasamples, start=colours):
        if kind in {_ASSOCIATED, _UNASSOCIATED} and place < values.shape[2]:
            channel = values[:, :, place]
            if channel.dtype.kind == "f":
                levels = (np.nan_to_num(channel.astype(np.float32)) * 255).clip(0, 255)
            else:
                levels = channel * (255 / ((1 << int(page.bitspersample)) - 1))
            return np.rint(levels).astype(np.uint8), kind == _ASSOCIATED
    return None


def _with_alpha(image: Image.Image, alpha: NDArray[np.uint8], multiplied: bool) -> Image.Image:
    layer = image.convert("RGB")
    if multiplied:
        values = np.dstack([np.asarray(layer), alpha])
        return Image.fromarray(values, "RGBa").convert("RGBA")
    layer.putalpha(Image.fromarray(alpha))
    return layer


def _tag(page: TiffPage, first: TiffPage, code: int) -> Any:
    found = page.tags.get(code) or first.tags.get(code)
    return None if found is None else found.value
