"""Pictures whose true class is known: subfolder names, or a dataset class of torchvision.

Both hand out batches of model-sized pixels with the class name of each picture, so an evaluation
does not know which of them it reads.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from itae_cluster.core.batches import slices
from itae_cluster.core.errors import InputError
from itae_cluster.core.text import printable
from itae_cluster.core.types import Skipped
from itae_cluster.embedding.embed import read_batches
from itae_cluster.pictures.flatten import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Reporter

__all__ = [
    "FolderPictures",
    "LabelledBatch",
    "LabelledPictures",
    "TorchvisionPictures",
    "check_classes",
    "folder_labels",
    "open_torchvision",
]

_UNLABELLED = "lies in no subfolder, so it has no label"


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """`pixels` (B, size, size, 3) uint8 RGB, the class names of the B, and what was skipped."""

    pixels: NDArray[np.uint8]
    labels: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()


class LabelledPictures(Protocol):
    """Where labelled pictures come from."""

    @property
    def name(self) -> str:
        """What the result calls them."""

    @property
    def labels(self) -> Sequence[str]:
        """The class of every picture, before any of them is read."""

    def batches(self, size: int, batch_size: int, reporter: Reporter) -> Iterator[LabelledBatch]:
        """Pictures resized to size × size, batch by batch; none is empty of pictures and skips."""


def folder_labels(root: str, files: Sequence[str]) -> tuple[str | None, ...]:
    """The folder directly below `root` that holds each file; None for a file in `root` itself."""
    labels: list[str | None] = []
    for file in files:
        first, separator, _ = os.path.relpath(file, root).partition(os.sep)
        labels.append(first if separator else None)
    return tuple(labels)


def check_classes(labels: Sequence[str], name: str) -> int:
    """The number of classes.

    Raises:
        InputError: if nothing can be learnt from them: one class, or no class of two pictures.
    """
    classes = len(set(labels))
    if classes < 2:
        only = f" ({printable(labels[0])})" if labels else ""
        raise InputError(
            f"{printable(name)} has {classes} class{only} with pictures that can be read; an "
            "evaluation needs two subfolders or more, one a class"
        )
    if classes == len(labels):
        raise InputError(
            f"each of the {classes} classes of {printable(name)} has a single picture; "
            "add pictures, so that a class has several"
        )
    return classes


class FolderPictures:
    """Pictures below a folder, whose subfolders are the classes.

    Args:
        root: the folder.
        files: its pictures, as `scan` found them.
        reporter: told of pictures that lie in no subfolder.

    Raises:
        InputError: if no picture lies in a subfolder.
    """

    def __init__(self, root: str, files: Sequence[str], reporter: Reporter) -> None:
        found = tuple(zip(files, folder_labels(root, files), strict=True))
        self._label = {file: label for file, label in found if label is not None}
        if not self._label:
            raise InputError(
                f"the pictures of {printable(root)} have no labels: it has no subfolder with "
                "pictures; put those of each class into a subfolder named after it"
            )
        self._name = root
        self._unlabelled = tuple(Skipped(file, _UNLABELLED) for file, label in found if not label)
        for skipped in self._unlabelled:
            reporter.skip(skipped)

    @property
    def name(self) -> str:
        """The folder, as it was named."""
        return self._name

    @property
    def labels(self) -> Sequence[str]:
        """The class of every picture."""
        return tuple(self._label.values())

    def batches(self, size: int, batch_size: int, reporter: Reporter) -> Iterator[LabelledBatch]:
        """See `LabelledPictures`. Files that cannot be read are skipped.

        Raises:
            InputError: if not one of the files can be read.
        """
        unlabelled = self._unlabelled
        files = tuple(self._label)
        for batch in read_batches(files, size, batch_size=batch_size, reporter=reporter):
            skipped, unlabelled = unlabelled + batch.skipped, ()
            labels = tuple(self._label[path] for path in batch.paths)
            pixels = batch.pixels if labels else np.empty((0, size, size, 3), dtype=np.uint8)
            yield LabelledBatch(pixels, labels, skipped)


class TorchvisionPictures:
    """A dataset class of torchvision, its pictures resized as those of files are.

    Args:
        name: of the dataset.
        dataset: yields (PIL image, class number), knows `classes` and its length.
        targets: the class number of each picture.
    """

    def __init__(self, name: str, dataset: Any, targets: Sequence[int]) -> None:
        self._name = name
        self._dataset = dataset
        self._labels = tuple(str(dataset.classes[target]) for target in targets)

    @property
    def name(self) -> str:
        """The dataset class and its part."""
        return self._name

    @property
    def labels(self) -> Sequence[str]:
        """The class of every picture."""
        return self._labels

    def batches(self, size: int, batch_size: int, reporter: Reporter) -> Iterator[LabelledBatch]:
        """See `LabelledPictures`. A picture of a dataset is never skipped."""
        n = len(self._labels)
        for part in slices(n, batch_size):
            images = (self._dataset[number][0] for number in range(part.start, part.stop))
            pixels = np.stack([_resize(image, size) for image in images])
            reporter.progress("Embedding", part.stop, n)
            yield LabelledBatch(pixels, self._labels[part])


def _resize(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """As `decode` does with a file."""
    resized = flatten(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(resized, dtype=np.uint8, order="C")


def open_torchvision(name: str, root: str, *, train: bool) -> TorchvisionPictures:
    """The test (or training) part of a dataset that torchvision has downloaded before.

    Raises:
        InputError: if torchvision or the dataset is not there.
    """
    try:
        from torchvision import datasets  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(
            f"torchvision cannot be imported ({error}); install it, or give a folder of pictures"
        ) from None
    part = "train" if train else "test"
    choice: dict[str, Any] = {"split": part} if name == "STL10" else {"train": train}
    try:
        dataset = getattr(datasets, name)(root, download=False, **choice)
    except (RuntimeError, OSError):  # what the classes raise where files are missing or damaged
        raise InputError(
            f"{printable(root)} does not hold {name} in torchvision's layout; check --root, or "
            f"get it with torchvision.datasets.{name}({root!r}, download=True)"
        ) from None
    targets = dataset.labels if name == "STL10" else dataset.targets
    return TorchvisionPictures(f"{name} ({part})", dataset, [int(target) for target in targets])
