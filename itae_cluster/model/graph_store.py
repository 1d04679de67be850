"""Graphs of models for OpenVINO, kept between runs: with one, no weights need be read.

Each is three files in `openvino/` below the cache's root: OpenVINO's own `.xml` and `.bin`, and a
`.json` with the shape of the model and the SHA-256 of the other two, written last. The name says
which weights and size of input, and which versions of OpenVINO and of the graph. Weights are kept
in float32, from which any precision is compiled, and θ is an input, so both need no file of theirs.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from itae_cluster.core.errors import WeightsError
from itae_cluster.core.files import atomic_path, cache_root
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.digests import checkpoint_digest
from itae_cluster.model.graph import VERSION
from itae_cluster.model.openvino_package import import_openvino

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KeptGraph", "find_graph", "keep_graph", "list_graphs", "remove_graph"]

_LARGEST = 400_000_000  # bytes of weights: base. Larger models embed for minutes, and fill disks


@dataclass(frozen=True, slots=True)
class KeptGraph:
    """A graph on this machine: the `.xml`, the model's shape, and the bytes of its files."""

    path: str
    config: DINOv2Config
    bytes: int


def find_graph(weights_sha256: str, size: int) -> KeptGraph | None:
    """The graph of these weights for inputs of this side in pixels, None where none is whole."""
    return _read(_stem(weights_sha256, size))


def keep_graph(graph: Any, config: DINOv2Config, weights_sha256: str, size: int) -> bool:
    """Keep a graph (`openvino.Model`) in place of those of other versions; whether it was kept.

    One of more than 400 MB is not: it would cost more room than it saves time.
    """
    stem = _stem(weights_sha256, size)
    try:
        os.makedirs(_folder(), mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_folder(), prefix=".partial-") as part:
            paths = [os.path.join(part, f"graph{suffix}") for suffix in (".xml", ".bin")]
            import_openvino().serialize(graph, *paths)
            if os.path.getsize(paths[1]) > _LARGEST:
                return False
            for path in paths:
                os.replace(path, stem + os.path.splitext(path)[1])
        record = {"config": asdict(config), "sha256": _digests(stem)}
        with atomic_path(f"{stem}.json") as part, open(part, "x", encoding="utf-8") as file:
            json.dump(record, file)
    except (OSError, RuntimeError, WeightsError):  # a cache that cannot be written only costs time
        remove_graph(stem)
        return False
    for other in _stems(_stem(weights_sha256, size, any_version=True)):
        if other != stem:
            remove_graph(other)
    return True


def list_graphs() -> list[KeptGraph]:
    """All that are kept, of whatever version."""
    found = (_read(stem) for stem in _stems(os.path.join(glob.escape(_folder()), "*")))
    return [kept for kept in found if kept is not None]


def remove_graph(path: str) -> None:
    """Remove the files of a graph, given one of them or their common stem; those that can be."""
    stem = path.removesuffix(".xml")
    for suffix in (".json", ".xml", ".bin"):
        with contextlib.suppress(OSError):
            os.unlink(stem + suffix)


def _folder() -> str:
    return os.path.join(cache_root(), "openvino")


def _stem(weights_sha256: str, size: int, any_version: bool = False) -> str:
    name = f"{weights_sha256[:32]}-{size}-"
    if any_version:
        return os.path.join(glob.escape(_folder()), f"{name}*")
    return os.path.join(_folder(), f"{name}{version('openvino')}-{VERSION}")


def _digests(stem: str) -> list[str]:
    return [checkpoint_digest(stem + suffix) for suffix in (".xml", ".bin")]


def _stems(pattern: str) -> Iterator[str]:
    return (path.removesuffix(".json") for path in sorted(glob.glob(f"{pattern}.json")))


def _read(stem: str) -> KeptGraph | None:
    """The graph, unless a file of it is missing or damaged."""
    try:
        with open(f"{stem}.json", encoding="utf-8") as file:
            record = json.load(file)
        config = DINOv2Config(**record["config"])
        if _digests(stem) != record["sha256"]:
            return None
        size = sum(os.path.getsize(stem + suffix) for suffix in (".xml", ".bin", ".json"))
    except (OSError, ValueError, KeyError, TypeError, WeightsError):
        return None
    return KeptGraph(f"{stem}.xml", config, size)
