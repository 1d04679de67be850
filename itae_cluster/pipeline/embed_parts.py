"""Pictures to a folder of embeddings in parts, by a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster import distributed
from itae_cluster.core.errors import InputError
from itae_cluster.core.files import explain_write_errors
from itae_cluster.core.losses import Losses
from itae_cluster.core.options import input_options
from itae_cluster.core.places import is_remote, open_place
from itae_cluster.core.text import printable, quantity
from itae_cluster.core.types import Skipped
from itae_cluster.embedding import shards
from itae_cluster.pictures.remote import find_anywhere
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from itae_cluster.core.options import InputOptions, ModelOptions, RayOptions
    from itae_cluster.core.run import Run
    from itae_cluster.embedding.shards import Reasons

__all__ = ["PartsResult", "embed_to_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsResult:
    """A finished folder: so many vectors of `dim` numbers, in parts, of which `kept` were there."""

    vectors: int
    dim: int
    parts: int
    kept: int
    skipped: tuple[Skipped, ...]


def embed_to_parts(
    inputs: InputOptions, model: ModelOptions, target: str, cluster: RayOptions, run: Run
) -> PartsResult:
    """The job of `itae-cluster embed --ray`: scan here, read and embed there, close the folder.

    Args:
        inputs: which pictures, of file systems that all machines share, or of object stores.
        model: how they are embedded.
        target: the folder of parts; parts that are there and fit are kept.
        cluster: which machines, and how many pictures a part has.
        run: whom it tells.

    Raises:
        InputError: if there is no picture that can be read.
        OutputError: if the folder holds something else, or cannot be written.
        WorkerError: if the cluster cannot be reached or does not finish; what is done is kept.
    """
    place = open_place(target)
    shards.check_target(place)
    with distributed.connect(cluster.address):
        found = find_anywhere(inputs, run.reporter)
        # Complete is what has a manifest; from here on this folder is not.
        with explain_write_errors(target):
            shards.remove_manifest(place)
        rows = distributed.part_size(cluster.part_size, model.side)
        ended = _Ended(len(found.files), run)
        where = target if is_remote(target) else place.root
        for encoder, part in distributed.embed_parts(found.files, model, where, rows, run.reporter):
            ended.add(encoder, part)
    losses, sizes = ended.losses, [ended.sizes[number] for number in sorted(ended.sizes)]
    vectors = sum(size for size, _ in sizes)
    if not vectors:
        raise InputError(losses.why_all(len(found.files)) or ended.first_reason())
    losses.tell()
    options = {**input_options(inputs), "model": model.record(), "part_size": rows}
    head = manifest.head(ended.encoder, options, found.passed_over)
    with explain_write_errors(target):
        shards.write_manifest(place, head, sizes)
    return PartsResult(
        vectors=vectors,
        dim=int(ended.encoder["dim"]),
        parts=len(sizes),
        kept=ended.kept,
        skipped=(*found.skipped, *ended.skipped),
    )


class _Ended:
    """The parts that have ended, told of as they end."""

    def __init__(self, total: int, run: Run) -> None:
        self._total, self._reporter = total, run.reporter
        self._done = 0
        self.losses = Losses(run.reporter)
        self.sizes: dict[int, tuple[int, int]] = {}
        self.encoder: Mapping[str, Any] = {}
        self.skipped: list[Skipped] = []
        self.kept = 0
        self._reporter.progress("Embedding", 0, total)

    def add(self, encoder: Mapping[str, Any], part: distributed.PartResult) -> None:
        """A part has ended."""
        self.encoder = encoder
        self.kept += part.kept
        self.sizes[part.number] = self._tell(part.files)
        self._done += len(part.files.paths)
        self._reporter.progress("Embedding", self._done, self._total)

    def _tell(self, files: Reasons) -> tuple[int, int]:
        """Name what was lost; how many files have a vector, and how many have none."""
        lost = 0
        for path, reason, damage in zip(files.paths, files.skipped, files.damaged, strict=True):
            if reason is not None:
                lost += 1
                self.skipped.append(Skipped(path, reason))
                self.losses.skip(self.skipped[-1])
            elif damage is not None:
                self._reporter.warn(f"{printable(path)} is damaged: {damage}")
        return len(files.paths) - lost, lost

    def first_reason(self) -> str:
        """Why there is no vector at all."""
        return (
            f"none of {quantity(self._total, 'file')} can be read as a picture by the workers (the "
            f"first reason: {self.skipped[0].reason}); check that all machines see the same paths"
        )
