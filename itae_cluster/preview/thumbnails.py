"""Thumbnails as images, as far as they are there and can be read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["read_image", "typical_images"]


def typical_images(data: PreviewData, group: Group) -> Iterator[Image.Image]:
    """RGB images of the group's representatives, most typical first."""
    for index in group.typical:
        image = read_image(data.thumbnails[index])
        if image is not None:
            yield image


def read_image(jpeg: bytes) -> Image.Image | None:
    """The RGB image, None where the JPEG is damaged."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
