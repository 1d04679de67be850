"""The user's own θ for each checkpoint, as `itae-cluster calibrate --save` found it.

One small JSON file in the user's configuration folder, keyed by the SHA-256 of the weights.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import atomic_path, explain_write_errors
from itae_cluster.core.text import printable

__all__ = ["SavedTheta", "forget", "load", "path", "save"]


@dataclass(frozen=True, slots=True)
class SavedTheta:
    """A calibrated θ: None is off. `pictures` is the size of the sample it was found on."""

    theta: float | None
    pictures: int


def path() -> str:
    """The file: $ITAE_CLUSTER_CONFIG, else the platform's configuration folder."""
    from platformdirs import user_config_dir

    root = os.environ.get("ITAE_CLUSTER_CONFIG") or user_config_dir("itae-cluster", appauthor=False)
    return os.path.join(root, "thresholds.json")


def load(sha256: str) -> SavedTheta | None:
    """The θ saved for the weights of that digest, None where there is none.

    Raises:
        OutputError: if the file is damaged.
    """
    return _read().get(sha256)


def save(sha256: str, found: SavedTheta) -> None:
    """Keep a θ for the weights of that digest.

    Raises:
        OutputError: if the file cannot be written.
    """
    _write({**_read(), sha256: found})


def forget(sha256: str) -> bool:
    """Drop the θ of that digest; whether there was one.

    Raises:
        OutputError: if the file cannot be written.
    """
    entries = _read()
    if entries.pop(sha256, None) is None:
        return False
    _write(entries)
    return True


def _read() -> dict[str, SavedTheta]:
    try:
        with open(path(), encoding="utf-8") as file:
            return {digest: SavedTheta(**entry) for digest, entry in json.load(file).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{printable(path())} cannot be read ({error}); repair or remove it"
        ) from error


def _write(entries: dict[str, SavedTheta]) -> None:
    target = path()
    with explain_write_errors(target, "set ITAE_CLUSTER_CONFIG to a folder you may write to"):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with atomic_path(target) as part, open(part, "x", encoding="utf-8") as file:
            json.dump({digest: asdict(entry) for digest, entry in entries.items()}, file, indent=2)
