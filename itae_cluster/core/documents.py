"""JSON documents: what their heads share, and file names of any bytes in them.

JSON is plain ASCII. A name that is not valid UTF-8 keeps its bytes as surrogate escapes (which
Python and JavaScript read back) and comes a second time as base64 of its raw bytes.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from itae_cluster.core import __version__
from itae_cluster.core.text import is_text, to_base64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itae_cluster.core.types import Skipped

__all__ = [
    "path_of",
    "path_record",
    "run_metadata",
    "skipped_record",
    "to_json",
    "write_json",
]


def run_metadata(
    schema: str, version: int, model: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The part that all documents share: schema, tool, time, model, options.

    Args:
        schema: name of the document's schema.
        version: of that schema.
        model: what the encoder says of itself.
        options: what was asked for.
    """
    return {
        "schema": schema,
        "schema_version": version,
        "tool": {"name": "itae-cluster", "version": __version__},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": dict(model),
        "options": dict(options),
    }


def skipped_record(item: Skipped) -> dict[str, str]:
    """One input that was passed over."""
    reason = item.reason.encode("utf-8", "replace").decode()
    return {**path_record("path", item.path), "reason": reason}


def path_record(key: str, path: str) -> dict[str, str]:
    """A path under `key`, and its bytes as `<key>_base64` where it is not valid UTF-8."""
    return {key: path} if is_text(path) else {key: path, f"{key}_base64": to_base64(path)}


def path_of(record: Mapping[str, Any], key: str) -> str:
    """What `path_record` wrote; the bytes win, because not every program keeps surrogate escapes.

    Raises:
        ValueError: if there is no path that a file system could hold.
    """
    raw = record.get(f"{key}_base64")
    path = record.get(key) if raw is None else os.fsdecode(base64.b64decode(raw, validate=True))
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"no {key}")
    os.fsencode(path)
    return path


def to_json(value: Any, *, indent: int | None = None) -> str:
    """ASCII JSON without NaN."""
    return json.dumps(value, indent=indent, ensure_ascii=True, allow_nan=False)


def write_json(value: Any, path: str) -> None:
    """`value` as indented JSON in a new file."""
    with open(path, "x", encoding="ascii") as file:
        file.write(to_json(value, indent=2) + "\n")
