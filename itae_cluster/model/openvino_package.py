"""OpenVINO, if it is installed, without its telemetry."""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["import_openvino"]

_TELEMETRY = "openvino_telemetry"


def import_openvino() -> Any:
    """The package `openvino`.

    As it is imported it reports that over the network and writes into the user's home, through a
    package that it does without where that is missing. So to it, it is missing.

    Raises:
        ImportError: if it is not installed, or does not run on this machine.
    """
    if "openvino" in sys.modules or _TELEMETRY in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's own way to say: missing
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_TELEMETRY]
