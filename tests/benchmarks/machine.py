"""Which machine the figures come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

__all__ = ["describe"]

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def describe() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    packages = ("torch", "torchvision", "transformers", "timm", "scikit-learn", "umap-learn")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{_memory():.0f} GB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def _cpuinfo() -> dict[str, str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = (line.partition(":") for line in file if ":" in line)
            return {key.strip(): value.strip() for key, _, value in lines}
    except OSError:
        return {}


def _processor() -> str:
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    known = " ".join(flag for flag in _FLAGS if flag in flags)
    return f"{info.get('model name') or platform.processor() or 'unknown'} ({known})"


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
