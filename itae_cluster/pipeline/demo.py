"""The demo: an album with known labels, sorted and scored."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import explain_write_errors
from itae_cluster.core.options import ClusterOptions, InputOptions, ModelOptions, OutputOptions
from itae_cluster.core.text import printable
from itae_cluster.paper.scores import clustering_accuracy
from itae_cluster.pipeline.sort import SortResult, sort_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from itae_cluster.core.run import Run

__all__ = ["ALBUM", "CLASSES", "LABELS", "make_album", "run_demo"]


ALBUM = "album"
LABELS = "labels.csv"
CLASSES = 7

_DIGITS = range(5)
_EACH = 16
_SIDE = 224
_SEED = 0
_INK = 16  # brightest value of a digit's 8×8 pixels


def run_demo(folder: str, model: ModelOptions, run: Run) -> tuple[SortResult, float]:
    """Make the demo album in `folder`, sort it into `folder/sorted`, and compare with the truth.

    Returns:
        The result, and the clustering accuracy (ACC, 0 to 1).

    Raises:
        OutputError: if `folder` exists and is not empty.
    """
    truth = make_album(folder)
    result = sort_pictures(
        InputOptions(paths=(os.path.join(folder, ALBUM),)),
        model,
        ClusterOptions(k=CLASSES),
        OutputOptions(out=os.path.join(folder, "sorted")),
        run,
    )
    labels = [truth[path] for path in result.embeddings.paths]
    return result, clustering_accuracy(labels, result.clustering.labels)


def make_album(folder: str) -> dict[str, str]:
    """Write `folder/album/*.png`, shuffled and numbered, and `folder/labels.csv`.

    Returns:
        The true label of each picture by its path.

    Raises:
        OutputError: if the folder is there and not empty, or cannot be made.
    """
    from PIL import Image

    if os.path.lexists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise OutputError(f"{printable(folder)} is there already; name a new folder for the demo")
    album = os.path.join(folder, ALBUM)
    pictures = list(_pictures())
    order = np.random.default_rng(_SEED).permutation(len(pictures))
    truth: dict[str, str] = {}
    with explain_write_errors(folder):
        os.makedirs(album)
        for number, chosen in enumerate(order.tolist(), start=1):
            label, pixels = pictures[chosen]
            path = os.path.join(album, f"picture-{number:03d}.png")
            image = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            image.save(path)
            truth[path] = label
        with open(os.path.join(folder, LABELS), "x", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("picture", "label"), *truth.items()])
    return truth


def _pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Label and RGB or grey pixels of each picture, class by class."""
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    for digit in _DIGITS:
        for image in digits.images[digits.target == digit][:_EACH]:
            yield f"digit-{digit}", (255 - image * (255 / _INK)).astype(np.uint8)
    photographs = load_sample_images()
    random = np.random.default_rng(_SEED)
    for name, image in zip(photographs.filenames, photographs.images, strict=True):
        label = os.path.splitext(os.path.basename(name))[0]
        for _ in range(_EACH):
            yield label, _square_crop(image, random)


def _square_crop(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = int(min(height, width) * random.uniform(0.8, 1))
    top = random.integers(height - side + 1)
    left = random.integers(width - side + 1)
    return image[top : top + side, left : left + side]
