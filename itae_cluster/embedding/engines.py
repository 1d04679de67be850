"""What computes the model: OpenVINO on a CPU where it is installed, else torch.

Both give the same vectors: to 1e-6 in float32, to a cosine of 0.9995 in bfloat16. So a cache does
not tell them apart, and one goes on where the other fails.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import DeviceName, Engine, Precision
from itae_cluster.core.text import printable
from itae_cluster.embedding.precision import is_bfloat16_fast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.model.acquire import ModelFile

__all__ = ["open_encoder"]

_FAILURES = (ImportError, OSError, RuntimeError, TypeError, ValueError, MemoryError)
"""What a library in C++ may raise where a machine is not as it expects."""


def open_encoder(
    options: ModelOptions,
    reporter: Reporter,
    *,
    located: ModelFile,
    fast_bfloat16: Callable[[Engine], bool] = is_bfloat16_fast,
) -> Encoder:
    """Load the model into the engine that is asked for, or the one that suits the machine.

    Args:
        options: model, θ, size, device, precision, engine.
        reporter: told where weights come from, and which engine fails.
        located: the weights.
        fast_bfloat16: see `is_bfloat16_fast`.

    Raises:
        ModelError: if the model, its size, its device or its engine cannot be had.
    """
    load_torch = partial(_load_torch, reporter, located=located, fast_bfloat16=fast_bfloat16)
    if not _takes_openvino(options):
        return load_torch(options)
    from itae_cluster.embedding.openvino_encoder import load_openvino_encoder

    try:
        loaded = load_openvino_encoder(
            options, reporter, located=located, fast_bfloat16=fast_bfloat16
        )
    except _FAILURES as error:
        return _go_on(error, options, reporter, load_torch)
    reporter.info("computing with OpenVINO")
    return _WatchedEncoder(loaded, options, load_torch, reporter)


def _load_torch(
    reporter: Reporter,
    options: ModelOptions,
    *,
    located: ModelFile,
    fast_bfloat16: Callable[[Engine], bool],
) -> Encoder:
    from itae_cluster.embedding import encoder

    return encoder.load_encoder(options, reporter, located=located, fast_bfloat16=fast_bfloat16)


def _takes_openvino(options: ModelOptions) -> bool:
    if options.engine is Engine.TORCH:
        return False
    is_installed = find_spec("openvino") is not None
    if options.engine is Engine.OPENVINO:
        if not is_installed:
            raise ModelError(
                "OpenVINO is not installed; pip install 'itae-cluster[openvino]', or leave out "
                "--engine"
            )
        return True
    if not is_installed or options.device not in {DeviceName.AUTO, DeviceName.CPU}:
        return False
    return options.device is DeviceName.CPU or not _has_gpu()


def _has_gpu() -> bool:
    """Whether torch finds CUDA or MPS. It is asked only where a driver is there."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def _go_on(
    error: Exception,
    options: ModelOptions,
    reporter: Reporter,
    load_torch: Callable[[ModelOptions], Encoder],
) -> Encoder:
    """Torch, and say so once it is loaded; where OpenVINO was asked for by name, nothing goes on.

    Raises:
        ModelError: in that case.
    """
    reason = " ".join(printable(str(error)).split())[:120] or type(error).__name__
    if options.engine is Engine.OPENVINO:
        raise ModelError(f"OpenVINO fails here ({reason}); use --engine torch") from error
    loaded = load_torch(options)
    reporter.warn(f"OpenVINO fails here ({reason}), so torch goes on; --engine torch does without")
    return loaded


class _WatchedEncoder:
    """An `Encoder` (see `types`) that torch takes the place of as soon as it fails."""

    def __init__(
        self,
        encoder: Encoder,
        options: ModelOptions,
        load_torch: Callable[[ModelOptions], Encoder],
        reporter: Reporter,
    ) -> None:
        self._encoder = encoder
        self._options = options
        self._load_torch = load_torch
        self._reporter = reporter
        self._fails = False

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""
        return self._encoder.dim

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return self._encoder.size

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Those of the engine that computes now."""
        return self._encoder.metadata

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1.

        Raises:
            ModelError: if OpenVINO was asked for by name and fails, or torch fails, too.
        """
        if self._fails:
            return self._encoder.encode(pixels)
        try:
            return self._encoder.encode(pixels)
        except _FAILURES as error:
            precision = Precision(self._encoder.metadata["precision"])
            options = replace(self._options, precision=precision)
            self._encoder = _go_on(error, options, self._reporter, self._load_torch)
        self._fails = True
        return self._encoder.encode(pixels)
