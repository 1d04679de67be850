"""Sort a folder of pictures into clusters, with DINOv2 and ITAE (arXiv:2410.04801).

    import itae_cluster as ic

    found = ic.sort("photos", "sorted", k=20)    # the main job
    vectors = ic.embed(["photos"])               # paths and (n, D) float32
    labels = ic.cluster(vectors, k=20)           # or k="auto", algorithm="hdbscan"
    theta = ic.calibrate(["photos"])             # θ or none, with the evidence
    ic.undo("sorted")                            # everything back in its place
    model = ic.load_model("vitb14", theta=3.0)   # the patched backbone, a torch module

`docs/api.md` has more. Nothing heavy is imported before a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from itae_cluster.core import __version__

if TYPE_CHECKING:
    from itae_cluster.api import (
        Calibration,
        Cluster,
        Embeddings,
        ItaeClusterError,
        Labels,
        Result,
        UndoResult,
        calibrate,
        cluster,
        embed,
        load_model,
        sort,
        undo,
    )

__all__ = [
    "Calibration",
    "Cluster",
    "Embeddings",
    "ItaeClusterError",
    "Labels",
    "Result",
    "UndoResult",
    "__version__",
    "calibrate",
    "cluster",
    "embed",
    "load_model",
    "sort",
    "undo",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from itae_cluster import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
