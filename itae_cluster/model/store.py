"""Where weights lie on this machine.

Looked for in this order:

bundled         `mini`, part of this package
cache           our own folder; what `models fetch` and `models import` put there
torch hub       $TORCH_HOME/hub/checkpoints, if the official file is there and whole
hugging face    the hub's cache, if the repository of the model is there
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from itae_cluster.core.files import cache_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itae_cluster.model.registry import Variant

__all__ = ["LocalCheckpoint", "cache_dir", "find_checkpoint", "local_checkpoints"]


@dataclass(frozen=True, slots=True)
class LocalCheckpoint:
    """A checkpoint file of a variant that is on this machine."""

    path: str
    origin: str


def cache_dir() -> str:
    """Our checkpoints' folder, `checkpoints` in the `cache_root`."""
    return os.path.join(cache_root(), "checkpoints")


def find_checkpoint(wanted: Variant) -> LocalCheckpoint | None:
    """The first file that holds this variant, None where there is none. Nothing is verified."""
    return next(local_checkpoints(wanted), None)


def local_checkpoints(wanted: Variant) -> Iterator[LocalCheckpoint]:
    """Every file on this machine that should hold this variant, the preferred one first."""
    return (found for found in _candidates(wanted) if os.path.isfile(found.path))


def _candidates(wanted: Variant) -> Iterator[LocalCheckpoint]:
    if wanted.checkpoint is None:
        bundled = files("itae_cluster.model").joinpath(f"{wanted.name}.safetensors")
        yield LocalCheckpoint(str(bundled), "bundled")
        return
    for name in (wanted.checkpoint.filename, f"{wanted.name}.safetensors"):
        yield LocalCheckpoint(os.path.join(cache_dir(), name), "cache")
    yield LocalCheckpoint(os.path.join(_torch_hub(), wanted.checkpoint.filename), "torch hub")
    for repository in (wanted.hugging_face, wanted.timm):
        if repository is not None:
            for path in _hugging_face(repository):
                yield LocalCheckpoint(path, "hugging face")


def _user_cache() -> str:
    return os.environ.get("XDG_CACHE_HOME") or os.path.expanduser(os.path.join("~", ".cache"))


def _torch_hub() -> str:
    home = os.environ.get("TORCH_HOME") or os.path.join(_user_cache(), "torch")
    return os.path.join(os.path.expanduser(home), "hub", "checkpoints")


def _hugging_face(repository: str) -> list[str]:
    """Weight files of a repository in the hub's cache, those of `main` first, then the newest."""
    home = os.environ.get("HF_HOME") or os.path.join(_user_cache(), "huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    folder = os.path.join(os.path.expanduser(hub), "models--" + repository.replace("/", "--"))
    snapshots = glob.glob(os.path.join(glob.escape(folder), "snapshots", "*"))
    snapshots.sort(key=os.path.getmtime, reverse=True)
    main = _content(os.path.join(folder, "refs", "main")).strip()
    snapshots.sort(key=lambda path: os.path.basename(path) != main)
    names = ("model.safetensors", "pytorch_model.bin")
    paths = [os.path.join(snapshot, name) for snapshot in snapshots for name in names]
    return [path for path in paths if os.path.isfile(path)]  # a link to a partial blob is none


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
