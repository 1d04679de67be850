"""What a camera wrote into the head of a picture's file: when it was taken, and with what.

EXIF is a small TIFF file inside the picture's, or a TIFF picture itself. It is looked for by its
first bytes and read by Pillow's parser, which is Python: no library of a format sees the file, so
this needs no process of its own as decoding does.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import ExifTags, Image

from itae_cluster.core.types import Facts
from itae_cluster.pictures.formats import contain_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.core.types import Reporter

__all__ = ["read_camera_facts", "read_exif"]

_HEAD = 1 << 17  # bytes from the start that are looked at, in JPEG no others
_END = 1 << 17  # and from the end: WebP has it there, PNG and JPEG XL may
_BODY = 1 << 23  # after the start of HEIF and AVIF, where it lies anywhere
_TIFF = (b"II*\0", b"MM\0*")
_MARK = b"Exif\0\0"  # before it in JPEG and HEIF; elsewhere the first directory follows at once
_STARTS = (*(_MARK + start for start in _TIFF), b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08")
_JPEG = b"\xff\xd8"
_LONGEST_CAMERA = 60  # characters
_EARLIEST = 1826  # the first photograph; a clock that was never set may say the year 0


def read_camera_facts(paths: Sequence[str], reporter: Reporter) -> list[Facts]:
    """Of each file what its EXIF says; of one that cannot be read, nothing.

    Args:
        paths: the files; of most no more than their beginning and end is read.
        reporter: told of progress.
    """
    found: list[Facts] = []
    for path in paths:
        found.append(read_exif(path))
        reporter.progress("Reading dates", len(found), len(paths))
    return found


def read_exif(path: str) -> Facts:
    """When the picture was taken and by which camera, as far as its file says so."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Facts()
        with open(path, "rb") as file, contain_warnings():
            return _facts(file)
    except Exception:  # noqa: BLE001 - malformed EXIF raises anything; the picture is still good
        return Facts()


def _facts(file: BinaryIO) -> Facts:
    base = _load(file)
    if base is None:
        return Facts()
    details = base.get_ifd(ExifTags.IFD.Exif)
    taken = details.get(ExifTags.Base.DateTimeOriginal)
    digitized = details.get(ExifTags.Base.DateTimeDigitized)
    camera = _camera(base.get(ExifTags.Base.Make), base.get(ExifTags.Base.Model))
    return Facts(taken=_date(taken) or _date(digitized), camera=camera)


def _load(file: BinaryIO) -> Image.Exif | None:
    base = Image.Exif()
    head = file.read(_HEAD)
    if head.startswith(_TIFF):
        file.seek(0)
        base.load_from_fp(file)
        return base
    data = head + _read_rest(file, head)
    places = (data.find(start) for start in _STARTS)
    place = min((place for place in places if place >= 0), default=None)
    if place is None:
        return None
    base.load(data[place:])
    return base


def _read_rest(file: BinaryIO, head: bytes) -> bytes:
    """What else is looked at of a file that begins with `head`."""
    if head.startswith(_JPEG):
        return b""
    if head[4:8] == b"ftyp":
        return file.read(_BODY)
    size = os.fstat(file.fileno()).st_size
    file.seek(max(len(head), size - _END))
    return file.read(_END)


def _date(value: Any) -> str | None:
    """`2019:07:03 14:22:10` as ISO 8601; None where it is no date."""
    digits = re.fullmatch(r"(\d{4})\D(\d\d)\D(\d\d)[ T](\d\d):(\d\d):(\d\d)\D*", _text(value))
    if digits is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in digits.groups())
    if year < _EARLIEST:
        return None
    try:
        return datetime(year, month, day, hour, minute, second).isoformat()
    except ValueError:
        return None


def _camera(make: Any, model: Any) -> str | None:
    """`Canon EOS 5D`, whether or not the model repeats the maker."""
    maker, name = _text(make), _text(model)
    repeats = bool(maker) and name.lower().startswith(maker.split()[0].lower())
    words = [name] if repeats else [maker, name]
    return " ".join(filter(None, words))[:_LONGEST_CAMERA].strip() or None


def _text(value: Any) -> str:
    """On one line, and nothing in it that does not show."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
