"""Pictures to parts of embeddings, on many machines: a pipeline of Ray Data.

    files of a part  →  DecodeWorker, one a processor  →  EmbedWorker, one a GPU (or processor)
                        pixels of all its pictures        the model; writes the part

A part is the unit of work: what travels between the two is a part's pixels, what is lost with a
worker is a part, and what a run that is started again goes on with are the parts that are missing.
Ray Data holds back reading where the model does not keep up, and does lost parts again.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.batches import batches, slices
from itae_cluster.core.errors import WorkerError
from itae_cluster.core.options import DeviceName, Precision
from itae_cluster.core.places import open_place
from itae_cluster.distributed.connection import load_ray, silence_data
from itae_cluster.distributed.decode import DecodeWorker, MuteReporter, PartResult
from itae_cluster.embedding import shards
from itae_cluster.embedding.vector_cache import fingerprint
from itae_cluster.model import thresholds
from itae_cluster.model.acquire import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.distributed.decode import DecodedPart
    from itae_cluster.model.acquire import ModelFile

__all__ = ["EmbedJob", "embed_parts", "part_size"]

_MOST_ROWS = 1000
_MOST_BYTES = 150_000_000  # of pixels in a part
_DECODER_SHARE = 0.25  # of a processor, where the model runs on processors too
_ENCODER_SHARE = 0.75  # together no more than one: a machine with one processor does both


def part_size(asked: int | None, side: int) -> int:
    """Pictures in a part: as asked for, else so many as travel well between two workers."""
    return asked or max(1, min(_MOST_ROWS, _MOST_BYTES // (3 * side**2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedJob:
    """What workers need to know: where parts go, the options, and the weights as Ray holds them."""

    target: str
    options: ModelOptions
    located: ModelFile
    weights: Any
    tool: Mapping[str, Any]

    def load(self) -> Encoder:
        """The encoder, on this worker; its weights come from Ray, not from this machine's disk.

        Raises:
            ModelError: if it cannot be loaded here.
        """
        from itae_cluster.embedding.encoder import load_encoder

        suffix = os.path.splitext(self.located.path)[1]
        with tempfile.TemporaryDirectory(prefix="itae-cluster-") as folder:
            path = os.path.join(folder, f"weights{suffix}")
            with open(path, "xb") as file:
                file.write(memoryview(load_ray().get(self.weights)))
            located = replace(self.located, path=path)
            return load_encoder(self.options, MuteReporter(), located=located)


class EmbedWorker:
    """Pixels of a part to its vectors, and those to the folder of parts.

    Args:
        job: what to load, and where to write.
        model: what the encoder must say of itself.
    """

    def __init__(self, job: EmbedJob, model: Mapping[str, Any]) -> None:
        self._encoder = job.load()
        if fingerprint(self._encoder.metadata) != fingerprint(model):
            raise WorkerError(
                "a worker's encoder differs from that of the others; install the same version of "
                "itae-cluster and of torch on all machines"
            )
        self._place = open_place(job.target)
        self._batch = job.options.batch_on(self._encoder.metadata["device"])
        self._head = {**job.tool, "model": dict(model)}

    def __call__(self, rows: dict[str, NDArray[Any]]) -> dict[str, list[Any]]:
        """One row: `part`, as `DecodeWorker` makes it → `part`, a pickled `PartResult`."""
        found: DecodedPart | PartResult = pickle.loads(rows["part"][0])
        if not isinstance(found, PartResult):
            found = self._embed(found)
        return {"part": [pickle.dumps(found, protocol=5)]}

    def _embed(self, part: DecodedPart) -> PartResult:
        vectors = np.empty((len(part.pixels), self._encoder.dim), dtype=np.float32)
        for rows in slices(len(vectors), self._batch):
            vectors[rows] = self._encoder.encode(part.pixels[rows])
        head = {**self._head, "content": part.content}
        shards.write_shard(self._place, part.number, part.files, vectors, head)
        return PartResult(part.number, part.files, kept=False)


def embed_parts(
    files: Sequence[str],
    options: ModelOptions,
    target: str,
    rows: int,
    reporter: Reporter,
) -> Iterator[tuple[Mapping[str, Any], PartResult]]:
    """Embed what is not there yet; within `connect`.

    Args:
        files: absolute paths and addresses, in the order that the parts shall have.
        options: the model.
        target: the folder of parts.
        rows: pictures in a part.
        reporter: told where the weights come from.

    Yields:
        What the encoder says of itself, and how each part ended, as they end.

    Raises:
        ModelError: if a worker cannot load the model.
    """
    ray = load_ray()
    job, on_gpu = _prepare(options, target, reporter)
    model = ray.get(ray.remote(**_share(on_gpu))(_describe).remote(job))
    model = {**model, "weights": os.path.abspath(job.located.path)}
    job = replace(
        job,
        options=replace(job.options, theta=model["theta"], precision=Precision(model["precision"])),
    )
    arguments = (files, job, model, rows, on_gpu)
    if ray.util.client.ray.is_connected():  # Ray Data runs in the cluster, not behind ray://
        runner = ray.remote(num_cpus=0)(_Runner).remote(*arguments)
        found = iter(lambda: ray.get(runner.step.remote()), None)
    else:
        found = _run(*arguments)
    for part in found:
        yield model, part


class _Runner:
    """The pipeline in a process of the cluster, a part at a time."""

    def __init__(self, *arguments: Any) -> None:
        self._parts = _run(*arguments)

    def step(self) -> PartResult | None:
        """How the next part ended; None after the last one."""
        return next(self._parts, None)


def _run(
    files: Sequence[str], job: EmbedJob, model: Mapping[str, Any], rows: int, on_gpu: bool
) -> Iterator[PartResult]:
    """The pipeline of Ray Data, as its parts end."""
    ray = load_ray()
    silence_data()
    parts = [
        {"number": number, "paths": [os.fsencode(path) for path in part]}
        for number, part in enumerate(batches(files, rows))
    ]
    machines = ray.cluster_resources()
    cpus = max(1, int(machines.get("CPU", 1)))
    pool = ray.data.ActorPoolStrategy
    results = (
        ray.data.from_items(parts, override_num_blocks=len(parts))
        .map_batches(
            DecodeWorker,
            fn_constructor_args=(job.target, model, job.options.max_pixels),
            batch_size=1,
            num_cpus=1 if on_gpu else _DECODER_SHARE,
            compute=pool(min_size=1, max_size=cpus),
        )
        .map_batches(
            EmbedWorker,
            fn_constructor_args=(job, model),
            batch_size=1,
            compute=pool(
                min_size=1, max_size=max(1, int(machines.get("GPU", 0))) if on_gpu else cpus
            ),
            **_share(on_gpu),
        )
    )
    for row in results.iter_rows():
        yield pickle.loads(row["part"])


def _share(on_gpu: bool) -> dict[str, float]:
    """What an `EmbedWorker` takes of a machine."""
    return {"num_gpus": 1} if on_gpu else {"num_cpus": _ENCODER_SHARE}


def _prepare(options: ModelOptions, target: str, reporter: Reporter) -> tuple[EmbedJob, bool]:
    """The job, and whether the model runs on GPUs. θ is this user's own where one was saved."""
    ray = load_ray()
    located = locate(
        options.model, weights=options.weights, offline=options.offline, reporter=reporter
    )
    saved = thresholds.load(located.sha256) if options.theta == "auto" else None
    if saved is not None:
        options = replace(options, theta=saved.theta)
    has_gpu = ray.cluster_resources().get("GPU", 0) > 0
    on_gpu = options.device is DeviceName.CUDA or (options.device is DeviceName.AUTO and has_gpu)
    if on_gpu and not has_gpu:
        raise WorkerError("no machine of the Ray cluster has a GPU; use --device auto or cpu")
    with open(located.path, "rb") as file:
        weights = ray.put(np.frombuffer(file.read(), dtype=np.uint8))
    options = replace(options, device=DeviceName.CUDA if on_gpu else options.device)
    job = EmbedJob(
        target=target,
        options=options,
        located=located,
        weights=weights,
        tool={"schema": "itae-cluster/shard", "schema_version": 1},
    )
    return job, on_gpu


def _describe(job: EmbedJob) -> dict[str, Any]:
    """What the encoder says of itself on a worker: which format is fast hangs on the machine."""
    return dict(job.load().metadata)
