"""The jobs, one module each: the only place that knows the order of the stages.

Each job checks what can be checked before its slow steps begin.
"""

from __future__ import annotations

from itae_cluster.pipeline.demo import run_demo
from itae_cluster.pipeline.embed import embed_pictures, embed_to_file
from itae_cluster.pipeline.sort import SortResult, plan_pictures, sort_pictures

__all__ = [
    "SortResult",
    "embed_pictures",
    "embed_to_file",
    "plan_pictures",
    "run_demo",
    "sort_pictures",
]
