"""Which files are pictures: the formats that are opened, their suffixes, and Pillow's settings.

Everything that touches Pillow's global state stands here, so that it happens once, under a lock.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import threading
from typing import TYPE_CHECKING

from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.core.warning_filters import ignore_warnings_of
from itae_cluster.pictures.sidecars import RAW

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "contain_warnings",
    "decodable_formats",
    "is_installed",
    "limit_pixels",
    "looks_like_picture",
    "picture_suffixes",
    "register",
    "too_large",
]

# Pillow recognises the first five but decodes none of them; only Windows can draw the sixth (WMF,
# EMF). EPS and PS are programs: to show one, Pillow starts Ghostscript, and a picture sorter must
# not run what it finds in a folder.
_NOT_DECODED = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "EPS"}) | (
    frozenset() if sys.platform == "win32" else frozenset({"WMF"})
)

# Raw data with hardly any signature, which other files meet by chance.
_NOT_RECOGNISABLE = frozenset({"IMT", "IPTC", "MCIDAS", "SPIDER", "XVTHUMB"})

# Suffixes of picture formats nobody has, which far more often mean something else. Such a file can
# still be named on the command line.
_USUALLY_NO_PICTURE = frozenset(
    {
        ".fit",  # FITS; activity records of sports watches
        ".gbr",  # GIMP brushes; circuit boards (Gerber)
        ".iim",  # IPTC metadata
        ".im",  # IFUNC Image Memory
        ".msp",  # Microsoft Paint 1; Windows Installer patches
        ".pcd",  # Photo CD; point clouds
        ".pfm",  # portable float maps; printer font metrics
        ".raw",  # raw files of some cameras; raw data of any kind
        ".vst",  # Targa; Visio templates
    }
)

# What a file without a suffix is tried as: formats whose first bytes say plainly what they are.
_PLAIN_SIGNATURE = (
    *("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP"),
    *("JPEG2000", "JXL", "PSD", "ICNS", "QOI", "DDS", "PPM"),
)

_OPTIONAL_DECODERS = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}

_lock = threading.Lock()
_registered = False


def register() -> None:
    """Load Pillow's plugins and the HEIF opener, and set Pillow's size limit; once per process."""
    global _registered
    with _lock:
        if _registered:
            return
        import pillow_heif
        from PIL import Image

        # preinit first: it puts the common formats at the front of the order they are tried in.
        Image.preinit()
        Image.init()
        pillow_heif.register_heif_opener()
        with contextlib.suppress(ImportError):  # an extra
            import pillow_jxl  # noqa: F401 - registers itself
        # Pillow warns above this and refuses above twice this. The warnings are contained below;
        # the refusal also covers pictures inside pictures (icons), which `decode` cannot see.
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
        _registered = True


@functools.cache
def decodable_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are opened, in the order they are tried."""
    register()
    from PIL import Image, features

    without = {name for name, part in _OPTIONAL_DECODERS.items() if not features.check(part)}
    refused = _NOT_DECODED | _NOT_RECOGNISABLE | without
    return tuple(name for name in Image.ID if name in Image.OPEN and name not in refused)


@functools.cache
def picture_suffixes() -> frozenset[str]:
    """Lower-case suffixes, with their dot, by which a file in a folder counts as a picture."""
    from PIL import Image

    formats = {*decodable_formats(), "MPO"}  # MPO: several JPEGs in a row, opened as the first
    found = {suffix for suffix, name in Image.EXTENSION.items() if name in formats}
    if is_installed("rawpy"):
        found |= RAW
    return frozenset(found - _USUALLY_NO_PICTURE)


@functools.cache
def is_installed(library: str) -> bool:
    """Whether a library that only an extra brings is there."""
    return importlib.util.find_spec(library) is not None


def looks_like_picture(path: str) -> bool:
    """Whether the content of the file is a picture's, by its header alone. Never raises OSError."""
    from PIL import Image

    formats = [name for name in _PLAIN_SIGNATURE if name in decodable_formats()]
    try:
        with contain_warnings(), open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return False
            with Image.open(file, formats=formats):
                return True
    except Image.DecompressionBombError:
        return True  # a picture, only too large: decoding names the reason
    except Exception:  # noqa: BLE001 - plugins raise anything on a file that is not theirs
        return False


@contextlib.contextmanager
def limit_pixels(most: int) -> Iterator[None]:
    """Have Pillow refuse larger pictures, also those inside others (icons), which none else sees.

    The limit is that of the process; threads that decode at once must share one.
    """
    register()
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = -(-most // 2)  # Pillow refuses above twice this
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def contain_warnings() -> contextlib.AbstractContextManager[None]:
    """Keep what Pillow and its plugins warn of from the user, whichever thread they warn in."""
    return ignore_warnings_of(r"(PIL|pillow_heif|pillow_jxl)\.")


def too_large(width: int, height: int, most: int) -> str:
    """Why a picture of more than `most` pixels is not decoded."""
    return f"more than {most / 1e6:g} megapixels ({width}×{height}); see --max-pixels"
