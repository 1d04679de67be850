"""Pictures to measure on: made from a folder of photographs, or from noise where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from itae_cluster.pictures.decode import decode
from itae_cluster.pictures.scan import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["large_photos", "pixels", "small_photos", "sources"]

_LARGE = (4000, 3000)  # 12 megapixels
_SMALL = 256


def sources(folder: str | None, scratch: str) -> tuple[str, ...]:
    """The photographs of `folder`; without one, 64 pictures of coloured clouds in `scratch`."""
    if folder is not None:
        return scan([folder]).files
    made = os.path.join(scratch, "clouds")
    os.makedirs(made, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(64):
        clouds = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        clouds = clouds.resize((640, 480), Image.Resampling.BICUBIC)
        clouds.save(os.path.join(made, f"{number:03d}.jpg"), quality=90)
    return scan([made]).files


def pixels(files: Sequence[str], count: int, size: int = 224) -> NDArray[np.uint8]:
    """(count, size, size, 3) uint8, decoded from the files in turn."""
    chosen = [files[number % len(files)] for number in range(count)]
    return np.stack([decode(path, size).pixels for path in chosen])


def large_photos(files: Sequence[str], count: int, folder: str) -> str:
    """A folder of 12-megapixel JPEGs: photographs enlarged, with the noise of a sensor."""
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 4, (_LARGE[1], _LARGE[0], 1)).astype(np.float32)
    step = max(1, len(files) // count)
    for number in range(count):
        path = os.path.join(folder, f"{number:04d}.jpg")
        if os.path.exists(path):
            continue
        with Image.open(files[number * step % len(files)]) as image:
            image = image.convert("RGB").resize(_LARGE, Image.Resampling.BICUBIC)
        grain = np.roll(noise, int(rng.integers(_LARGE[0])), axis=1)
        noisy = np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path, quality=90)
    return folder


def small_photos(files: Sequence[str], count: int, folder: str) -> str:
    """A folder of `count` different JPEGs of 256 × 256 pixels: crops of the photographs."""
    rng = np.random.default_rng(2)
    images: list[Image.Image] = []
    for path in files[:: max(1, len(files) // 200)]:
        with Image.open(path) as image:
            images.append(image.convert("RGB").resize((_SMALL + 64, _SMALL + 64)))
    for number in range(count):
        within = os.path.join(folder, f"{number // 1000:03d}")
        path = os.path.join(within, f"{number:06d}.jpg")
        if os.path.exists(path):
            continue
        os.makedirs(within, exist_ok=True)
        left, top = rng.integers(0, 64, 2).tolist()
        crop = images[number % len(images)].crop((left, top, left + _SMALL, top + _SMALL))
        crop.save(path, quality=int(rng.integers(70, 95)))
        with open(path, "ab") as file:  # crops may repeat; content must not
            file.write(number.to_bytes(8, "big"))
    return folder
