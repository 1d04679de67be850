"""The Python API: five verbs, their results, and the patched model.

sort        pictures → a folder of clusters, as the command does it
embed       pictures → Embeddings
cluster     vectors → Labels
calibrate   pictures → θ or none, with the evidence
undo        a result folder → what was there before
load_model  a name → the patched backbone, for a loop of your own

Nothing is printed: what a person would read goes to the logger `itae_cluster`, what was skipped is
part of the result. Every error is an `ItaeClusterError` whose message names the remedy.
"""

from __future__ import annotations

from itae_cluster.api.results import Calibration, Cluster, Embeddings, Labels, Result
from itae_cluster.api.verbs import calibrate, cluster, embed, load_model, sort, undo
from itae_cluster.changes.undo import UndoResult
from itae_cluster.core.errors import ItaeClusterError

__all__ = [
    "Calibration",
    "Cluster",
    "Embeddings",
    "ItaeClusterError",
    "Labels",
    "Result",
    "UndoResult",
    "calibrate",
    "cluster",
    "embed",
    "load_model",
    "sort",
    "undo",
]
