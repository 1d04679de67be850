"""What is known of a picture beside its place, in the records of manifest and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itae_cluster.core.types import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["facts_record", "read_facts"]


def facts_record(facts: Facts) -> dict[str, Any]:
    """The fields of a picture's record; those of which nothing is known are left out."""
    return {
        **({} if facts.tags is None else {"tags": dict(facts.tags)}),
        **({} if facts.taken is None else {"taken": facts.taken}),
        **({} if facts.camera is None else {"camera": facts.camera}),
    }


def read_facts(record: Mapping[str, Any]) -> Facts:
    """The inverse of `facts_record`."""
    tags = record.get("tags")
    return Facts(
        tags=None if tags is None else tuple((key, float(share)) for key, share in tags.items()),
        taken=record.get("taken"),
        camera=record.get("camera"),
    )
