"""Pictures of every odd kind, made on the spot."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MADE = 1_700_000_000  # seconds since 1970
COLOURS = {"red": (220, 30, 30), "green": (20, 200, 40), "blue": (30, 40, 220)}
ORIENTATION = 0x0112
UNTURNED = {  # what was done to a picture that is to be turned by this orientation
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int = 64, height: int = 40) -> Image.Image:
    """Smooth, and different in each corner and channel, so that any mix-up shows."""
    across = np.linspace(0, 255, width)[None, :].repeat(height, axis=0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, axis=1)
    pixels = np.stack([across, down, np.full_like(across, 60)], axis=2)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    """A JPEG that looks like `image` once its EXIF orientation is applied."""
    turn = UNTURNED[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = image if turn is None else image.transpose(turn)
    return encoded(stored, "JPEG", quality=95, subsampling=0, exif=exif)


def png(
    width: int,
    height: int,
    rows: bytes,
    *,
    depth: int,
    colour: int,
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """A PNG chunk by chunk, for kinds Pillow reads but does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def png16(values: NDArray[np.uint16], extra: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """(h, w) grey or (h, w, 3) RGB as a 16-bit PNG."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, rows, depth=16, colour=0 if values.ndim == 2 else 2, extra=extra)


def huge_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A few bytes whose header claims far more pixels than they hold."""
    return png(width, height, b"\0", depth=8, colour=2)


def huge_bmp(width: int = 30_000, height: int = 30_000) -> bytes:
    """The same as a bitmap."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 16, 0, 0, 54) + header + bytes(16)


def write(path: Path, data: bytes | None = None) -> str:
    """Write `data` (a small picture if None), making folders; gives the path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(scene(8, 8), "PNG") if data is None else data)
    return str(path)


def make_album(root: Path) -> str:
    """Twelve pictures: red, green and blue, four each with a little noise; `red/0.png`, …."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.array(colour) + rng.integers(-20, 20, size=(40, 30, 3))
            path = root / name / f"{number}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
            os.utime(path, (MADE, MADE))  # the cache waits before it trusts a time of change
    return str(root)


def photograph_crops(side):
    """(6, side, side, 3) uint8: three crops of each of scikit-learn's photographs."""
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    return np.stack(
        [image[90 : 90 + side, left : left + side] for image in images for left in (0, 200, 400)]
    )
