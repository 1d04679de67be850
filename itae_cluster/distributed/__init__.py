"""Many machines, by Ray: pictures to parts of embeddings, and work on those parts."""

from __future__ import annotations

from itae_cluster.distributed.connection import connect
from itae_cluster.distributed.decode import PartResult
from itae_cluster.distributed.embed import embed_parts, part_size
from itae_cluster.distributed.parts import for_each_part

__all__ = ["PartResult", "connect", "embed_parts", "for_each_part", "part_size"]
