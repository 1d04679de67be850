"""A part's files to pixels, on a worker that needs no model."""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.places import is_remote, open_file, open_place
from itae_cluster.embedding import shards
from itae_cluster.embedding.shards import Reasons
from itae_cluster.pictures.decoders import Decoders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.types import Picture, Skipped

__all__ = ["DecodeWorker", "DecodedPart", "MuteReporter", "PartResult"]

_DECODERS = 1  # processes of a worker: Ray starts one worker for each processor
_READERS = 8  # files that are fetched at once from an object store
_CHUNK = 1 << 20


class MuteReporter:
    """A `Reporter` for workers, whose words nobody would hear."""

    def progress(self, stage: str, done: int, total: int | None, unit: str = "") -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""

    def info(self, message: str) -> None:
        """Nothing."""

    def skip(self, skipped: Skipped) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """How a part ended; `kept`: an earlier run had made it."""

    number: int
    files: Reasons
    kept: bool


@dataclass(frozen=True, slots=True)
class DecodedPart:
    """A part on its way to the model: `pixels` (m, size, size, 3) uint8 of what could be read."""

    number: int
    files: Reasons
    content: str
    pixels: NDArray[np.uint8]


class DecodeWorker:
    """Reads the files of a part, unless the part is there already and its files are as they were.

    A file that crashes its decoder costs that file: see `pictures.decoders`.

    Args:
        target: the folder of parts.
        model: what the encoder says of itself.
        max_pixels: pictures of more are skipped.
    """

    def __init__(self, target: str, model: Mapping[str, Any], max_pixels: int) -> None:
        self._place = open_place(target)
        self._model = model
        self._max_pixels = max_pixels
        self._decoders = Decoders(MuteReporter(), max_pixels, processes=_DECODERS)

    def __call__(self, rows: dict[str, NDArray[Any]]) -> dict[str, list[Any]]:
        """One row: `number` and `paths` → `part`, pickled: a `PartResult` or a `DecodedPart`."""
        number = int(rows["number"][0])
        paths = tuple(os.fsdecode(bytes(each)) for each in rows["paths"][0])
        with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
            looked = list(pool.map(_look, paths))
            content = shards.content_digest(looked, self._model, self._max_pixels)
            files = shards.read_reasons(self._place, number, content)
            found: PartResult | DecodedPart
            if files is not None:
                found = PartResult(number, files, kept=True)
            else:
                read = partial(_decode, size=int(self._model["size"]), decoders=self._decoders)
                found = _gather(number, paths, content, list(pool.map(read, paths)))
        return {"part": [pickle.dumps(found, protocol=5)]}


def _look(path: str) -> tuple[str, int, int]:
    """Path, size and time of change; zeros for what is not there, which decoding will tell."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        if is_remote(path):
            return (path, *open_file(path).status())
        status = os.stat(path)
        return path, status.st_size, status.st_mtime_ns
    return path, 0, 0


def _gather(
    number: int, paths: tuple[str, ...], content: str, found: list[Picture | DecodeError]
) -> DecodedPart:
    lost = [str(each) if isinstance(each, DecodeError) else None for each in found]
    pictures = [each for each in found if not isinstance(each, DecodeError)]
    damaged = [None if isinstance(each, DecodeError) else each.damage for each in found]
    pixels = np.stack([each.pixels for each in pictures]) if pictures else np.empty(0, np.uint8)
    return DecodedPart(number, Reasons(paths, tuple(lost), tuple(damaged)), content, pixels)


def _decode(path: str, *, size: int, decoders: Decoders) -> Picture | DecodeError:
    try:
        with _local_copy(path) as file:
            return decoders.decode(file, size)
    except DecodeError as error:
        return error


@contextlib.contextmanager
def _local_copy(path: str) -> Iterator[str]:
    """The file itself, or for a while a copy of what is in an object store: decoders read files.

    Raises:
        DecodeError: if there is no such object, or it may not be read.
        OSError: if the store does not answer, or there is no room for the copy.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="itae-cluster-") as folder:
        name = os.path.join(folder, "picture" + os.path.splitext(path)[1])
        try:
            with open_file(path).stream() as stream, open(name, "xb") as copy:
                while chunk := stream.read(_CHUNK):
                    copy.write(chunk)
        except FileNotFoundError:
            raise DecodeError("no such file") from None
        except PermissionError:
            raise DecodeError("permission denied") from None
        yield name
