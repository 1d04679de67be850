"""What a camera wrote into the head of a picture's file: when it was taken, and with what.

EXIF is a small TIFF file inside the picture's. It is looked for by its first bytes and read by
Pillow's parser, which is Python: no library of a format sees the file, so this needs no process of
its own as decoding does.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image

from itae_cluster.core.types import Facts
from itae_cluster.pictures.formats import contain_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.core.types import Reporter

__all__ = ["read_camera_facts", "read_exif"]

_HEAD = 1 << 17  # bytes that are looked at: cameras put it first
_STARTS = (b"II*\0", b"MM\0*")
_MARK = b"Exif\0\0"  # before it in JPEG and HEIF
_LONGEST_CAMERA = 60  # characters
_EARLIEST = 1826  # the first photograph; a clock that was never set may say the year 0


def read_camera_facts(paths: Sequence[str], reporter: Reporter) -> list[Facts]:
    """Of each file what its EXIF says; of one that cannot be read, nothing.

    Args:
        paths: the files; no more than their heads is read.
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
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return Facts()
    place = 0 if head.startswith(_STARTS) else _find(head)
    if place < 0:
        return Facts()
    try:
        with contain_warnings():
            return _facts(head[place:])
    except Exception:  # noqa: BLE001 - malformed EXIF raises anything; the picture is still good
        return Facts()


def _find(head: bytes) -> int:
    """Where EXIF begins; −1 where there is none."""
    places = (head.find(_MARK + start) for start in _STARTS)
    return min((place + len(_MARK) for place in places if place >= 0), default=-1)


def _facts(tiff: bytes) -> Facts:
    base = Image.Exif()
    base.load(_MARK + tiff)
    details = base.get_ifd(ExifTags.IFD.Exif)
    taken = details.get(ExifTags.Base.DateTimeOriginal)
    digitized = details.get(ExifTags.Base.DateTimeDigitized)
    camera = _camera(base.get(ExifTags.Base.Make), base.get(ExifTags.Base.Model))
    return Facts(taken=_date(taken) or _date(digitized), camera=camera)


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
