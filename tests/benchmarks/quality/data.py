"""Labelled pictures and the sets that are made of them: whole, half of the classes, unbalanced."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from itae_cluster.core.options import InputOptions, ModelOptions
from itae_cluster.core.run import Run
from itae_cluster.paper.labels import folder_labels
from itae_cluster.pipeline import embed_pictures
from itae_cluster.pipeline.demo import ALBUM, make_album

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Reporter

__all__ = ["Labelled", "drawn", "embed_folder", "sets", "shipped"]

_SIDE = 224
_DIGITS_EACH = 100
_LETTERS = "ABCDEFGHIJ"
_LETTERS_EACH = 50
_IMBALANCE = 50
_LARGE_ENOUGH = 50  # pictures of each class, or 1:50 cannot be made
_FEWEST_DRAWN, _MOST_DRAWN = 40, 700  # pictures of a set drawn at random
_FEWEST_OF_A_CLASS, _MOST_OF_A_CLASS = 6, 120
_IMBALANCES = (1, 1, 1, 5, 50)


@dataclass(frozen=True)
class Labelled:
    """`vectors` (n, D) embeddings and `truth` (n,) class names. `theta` None: ITAE off."""

    name: str
    vectors: NDArray[np.float32]
    truth: NDArray[np.str_]
    theta: float | None = None

    def part(self, name: str, rows: NDArray[np.int64]) -> Labelled:
        """Some of the pictures, in their order, as a set of their own."""
        rows = np.sort(rows)
        return Labelled(name, self.vectors[rows], self.truth[rows], self.theta)


def embed_folder(folder: str, model: ModelOptions, cache: Cache, reporter: Reporter) -> Labelled:
    """The pictures of a folder whose subfolders are the classes; others are left out."""
    found = embed_pictures(
        InputOptions(paths=(folder,)), model, Run(reporter=reporter, cache=cache)
    )
    labels = folder_labels(folder, found.paths)
    kept = np.flatnonzero([label is not None for label in labels])
    truth = np.array([labels[row] for row in kept.tolist()])
    name = os.path.basename(os.path.normpath(folder))
    return Labelled(name, found.vectors[kept], truth, found.metadata["theta"])


def shipped(folder: str) -> list[str]:
    """Write labelled pictures from installed packages below `folder`; the folder of each set."""
    for name, pictures in (("digits", _digits()), ("letters", _letters()), ("demo", _demo(folder))):
        for number, (label, image) in enumerate(pictures):
            os.makedirs(os.path.join(folder, name, label), exist_ok=True)
            image.save(os.path.join(folder, name, label, f"{number:04d}.png"))
    return [os.path.join(folder, name) for name in ("digits", "letters", "demo")]


def _digits() -> Iterator[tuple[str, Image.Image]]:
    """Handwritten digits of scikit-learn, 8×8 pixels made large."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit in range(10):
        for pixels in digits.images[digits.target == digit][:_DIGITS_EACH]:
            image = Image.fromarray((255 - pixels * (255 / 16)).astype(np.uint8))
            yield str(digit), image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)


def _letters() -> Iterator[tuple[str, Image.Image]]:
    """Letters in the DejaVu faces of matplotlib, of any size, tilt and place."""
    import matplotlib

    faces = sorted(glob.glob(os.path.join(matplotlib.get_data_path(), "fonts/ttf/DejaVuS*.ttf")))
    faces = [face for face in faces if "Display" not in face]
    random = np.random.default_rng(0)
    for letter in _LETTERS:
        for _ in range(_LETTERS_EACH):
            font = ImageFont.truetype(str(random.choice(faces)), int(random.integers(80, 160)))
            image = Image.new("L", (_SIDE, _SIDE), 255)
            place = tuple((_SIDE / 2 + random.uniform(-20, 20, 2)).tolist())
            ImageDraw.Draw(image).text(place, letter, fill=0, font=font, anchor="mm")
            yield letter, image.rotate(float(random.uniform(-15, 15)), fillcolor=255)


def _demo(folder: str) -> Iterator[tuple[str, Image.Image]]:
    """The album of `itae-cluster demo`."""
    raw = os.path.join(folder, "raw-demo")
    for path, label in make_album(raw).items():
        assert os.path.basename(os.path.dirname(path)) == ALBUM
        with Image.open(path) as image:
            yield label, image.copy()


def sets(whole: Labelled, seed: int) -> Iterator[Labelled]:
    """The whole, a random half of its classes and, where it is large enough, 1:50 classes."""
    random = np.random.default_rng(seed)
    classes, counts = np.unique(whole.truth, return_counts=True)
    yield whole
    if len(classes) >= 6:
        half = random.permutation(classes)[: len(classes) // 2]
        yield whole.part(f"{whole.name}, half", np.flatnonzero(np.isin(whole.truth, half)))
    if counts.min() >= _LARGE_ENOUGH:
        yield whole.part(f"{whole.name}, 1:50", _unbalanced(whole, random))


def drawn(whole: Labelled, number: int) -> Labelled | None:
    """A set of any number of classes, sizes and imbalance; None where it has too few pictures.

    The number of classes, from 3 to all, and the most pictures of a class are uniform in their
    logarithm; three sets of five are balanced as far as the classes are, one is 1:5, one 1:50.
    """
    random = np.random.default_rng([number, *whole.name.encode()])
    classes = random.permutation(np.unique(whole.truth))
    chosen = classes[: round(_between(random, min(3, len(classes)), len(classes)))]
    most = round(_between(random, _FEWEST_OF_A_CLASS, _MOST_OF_A_CLASS))
    rows = _uneven(whole, chosen, most, float(random.choice(_IMBALANCES)), random)
    if len(rows) < _FEWEST_DRAWN:
        return None
    return whole.part(whole.name, random.permutation(rows)[:_MOST_DRAWN])


def _between(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _unbalanced(whole: Labelled, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of all classes, the largest 50 times the smallest."""
    classes, counts = np.unique(whole.truth, return_counts=True)
    return _uneven(whole, random.permutation(classes), counts.min(), _IMBALANCE, random)


def _uneven(
    whole: Labelled,
    classes: NDArray[np.str_],
    most: int,
    imbalance: float,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows such that class sizes fall geometrically from `most`, as far as there are pictures."""
    sizes = most * imbalance ** -np.linspace(0, 1, len(classes))
    rows = [
        random.permutation(np.flatnonzero(whole.truth == name))[: max(1, round(size))]
        for name, size in zip(classes, sizes, strict=True)
    ]
    return np.concatenate(rows)
