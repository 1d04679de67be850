"""`itae-cluster info`: what a bug report should tell of the tool and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from itae_cluster.cli import parameters as given
from itae_cluster.core import __version__

__all__ = ["info"]

_LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "umap-learn",
    "hdbscan",
    "pillow",
    "pillow-heif",
    "pillow-jxl-plugin",
    "tifffile",
    "imagecodecs",
    "rawpy",
    "safetensors",
    "typer",
    "pyarrow",
)


def info(json_: given.JSON = False) -> None:
    """Print versions, device, models and cache, to be copied into a bug report.

    Nothing is sent anywhere.

    Examples:
        itae-cluster info
        itae-cluster info --json
    """
    record = _record()
    if json_:
        print(json.dumps(record, indent=2))
        return
    width = max(map(len, record))
    for name, value in record.items():
        rows = (
            [f"{key} {one}" for key, one in value.items()] if isinstance(value, dict) else [value]
        )
        for number, row in enumerate(rows or ["none"]):
            print(f"{'' if number else name:<{width}}  {row}")


def _record() -> dict[str, Any]:
    return {
        "itae-cluster": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "device": _device(),
        "models": _models(),
        "cache": _cache(),
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _device() -> str:
    """What `--device auto` takes; or why torch cannot be loaded, which is worth a report."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"torch cannot be loaded: {error}"
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _models() -> dict[str, str]:
    """The models whose weights are on this machine, and where."""
    from itae_cluster.core.text import printable
    from itae_cluster.model.registry import VARIANTS
    from itae_cluster.model.store import find_checkpoint

    found = {variant.name: find_checkpoint(variant) for variant in VARIANTS.values()}
    return {name: printable(each.path) for name, each in found.items() if each is not None}


def _cache() -> str:
    from itae_cluster.core.cache import file_in
    from itae_cluster.core.text import printable

    path = file_in(None)
    size = f"{os.path.getsize(path) / 1e6:.1f} MB" if os.path.exists(path) else "empty"
    return f"{printable(path)} ({size})"
