"""Changes that a person wants, in `changes.json`: the page saves it, or somebody writes it.

Each change is one object, and the key that says what it is comes with what it is about:
`{"move": ["cluster-001/a.jpg"], "to": "Beach"}`. docs/edit.md describes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itae_cluster.core.errors import UsageError
from itae_cluster.results.validation import check_document

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Changes", "read_changes"]

_KEYS: Mapping[str, tuple[set[str], set[str]]] = {
    "move": ({"to"}, set()),
    "reject": (set(), set()),
    "example": (set(), set()),
    "merge": (set(), {"name"}),
    "split": ({"k"}, set()),
    "rename": ({"name"}, set()),
    "regroup": (set(), set()),
}
"""What goes with each kind of change: what must, and what may."""


@dataclass(frozen=True)
class Changes:
    """What is wanted, in order; `result` is the digest of what the page showed, if it was said."""

    wanted: tuple[Mapping[str, Any], ...]
    result: str | None = None


def read_changes(content: bytes, name: str) -> Changes:
    """The changes of a file.

    Args:
        content: of the file.
        name: of the file, as an error shows it.

    Raises:
        UsageError: if it is no such file, or one change cannot be understood.
    """
    try:
        record = json.loads(content)
        check_document(record, "changes")
        for number, change in enumerate(record["changes"], start=1):
            _check(number, change)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} holds no changes: {error}; name a file that preview.html saved"
        ) from error
    return Changes(tuple(record["changes"]), record.get("result"))


def _check(number: int, change: Mapping[str, Any]) -> None:
    kinds = _KEYS.keys() & change.keys()
    if len(kinds) != 1:
        raise ValueError(f"change {number} must say one of {', '.join(_KEYS)}")
    (kind,) = kinds
    needed, allowed = _KEYS[kind]
    if missing := needed - change.keys():
        raise ValueError(f"change {number} ({kind}) lacks {missing.pop()}")
    if more := change.keys() - needed - allowed - {kind}:
        raise ValueError(f"change {number} ({kind}) has {min(more)}, which is not known")
    if kind == "regroup" and number > 1:
        raise ValueError(f"change {number} is regroup, which can only come first")
