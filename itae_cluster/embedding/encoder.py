"""Pixels to embeddings: a DINOv2 with ITAE on a device.

Preprocessing as in the paper (Sec. 4.1): pictures come resized to a square (see `decode`), and
are normalised here with the ImageNet mean and standard deviation.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from itae_cluster.core.errors import ModelError, OutOfMemoryError, UsageError
from itae_cluster.core.options import DeviceName, theta_text
from itae_cluster.core.types import TokenMeasures
from itae_cluster.embedding.memory import pictures_that_fit
from itae_cluster.embedding.precision import choose_precision
from itae_cluster.model import thresholds
from itae_cluster.model.acquire import locate
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.config import PATCH
from itae_cluster.model.itae import ITAE, Settings
from itae_cluster.model.registry import MINI, MINI_VERSIONS, by_config
from itae_cluster.pictures.decode import PREPROCESSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Reporter
    from itae_cluster.model.acquire import ModelFile
    from itae_cluster.model.dinov2 import DINOv2
    from itae_cluster.model.registry import Variant

__all__ = ["TorchEncoder", "choose_device", "load_encoder"]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


def load_encoder(
    options: ModelOptions,
    reporter: Reporter,
    *,
    located: ModelFile | None = None,
    fast_bfloat16: Callable[[], bool] | None = None,
) -> TorchEncoder:
    """Load the weights, and patch the last block with θ.

    Args:
        options: model, weights, θ, size, device, precision.
        reporter: told where weights come from.
        located: the weights; found or fetched by `options` where None.
        fast_bfloat16: see `choose_precision`.

    Raises:
        ModelError: if the model, its weights, its size or its device cannot be had.
    """
    _check_size(options.side)
    device = choose_device(options.device)
    if located is None:
        located = locate(
            options.model, weights=options.weights, offline=options.offline, reporter=reporter
        )
    model = load_model(located.path, located.variant.config if located.variant else None)
    variant = located.variant or by_config(model.config)
    # A file without a name is known by its shape, and has the θ of its official kin.
    theta = options.theta
    if theta == "auto":
        theta = _find_theta(variant, located.sha256, reporter)
    name = located.variant.name if located.variant else "custom"
    version = MINI_VERSIONS.get(located.sha256) if name == MINI else None
    metadata = {
        "name": name,
        **({"version": version} if version else {}),
        "origin": located.origin,
        "weights": os.path.abspath(located.path),
        "weights_sha256": located.sha256,
        "published_theta": variant.theta if variant else None,
    }
    reporter.info(f"model {metadata['name']}, weights {located.path}, theta {theta_text(theta)}")
    settings = None if theta is None else Settings(theta)
    dtype = choose_precision(
        options.precision, device, itae=settings is not None, fast_bfloat16=fast_bfloat16
    )
    return TorchEncoder(
        model, settings, size=options.side, device=device, dtype=dtype, metadata=metadata
    )


def _find_theta(variant: Variant | None, digest: str, reporter: Reporter) -> float | None:
    """The user's own calibrated θ for these weights, else the published one for the model."""
    saved = thresholds.load(digest)
    if saved is None:
        return variant.theta if variant else None
    shown = theta_text(saved.theta)
    reporter.note(f"theta {shown}, saved by 'itae-cluster calibrate' for these weights")
    return saved.theta


def choose_device(name: DeviceName) -> torch.device:
    """The device of that name; `auto` takes CUDA, else MPS, else the CPU.

    Raises:
        ModelError: if the device asked for is not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name is DeviceName.AUTO:
        return torch.device(next(device for device, there in present.items() if there))
    if not present[name]:
        raise ModelError(f"no {name} device on this machine; use --device auto or --device cpu")
    return torch.device(name)


def _check_size(size: int) -> None:
    if size < PATCH or size % PATCH:
        nearest = max(PATCH, round(size / PATCH) * PATCH)
        raise UsageError(f"--size {size} is not a multiple of {PATCH}; try {nearest}")


class TorchEncoder:
    """An `Encoder` (see `types`) around a patched DINOv2.

    Args:
        model: the backbone, in eval mode.
        settings: how the last block is patched; None for stock DINOv2.
        size: side of the square input in pixels, a multiple of 14.
        device: where to compute; the model is moved there.
        dtype: in which format to compute; the model is converted to it.
        metadata: what is known of the weights; size, θ, device and format are added to it.

    Raises:
        UsageError: if `size` is not a positive multiple of 14.
    """

    def __init__(
        self,
        model: DINOv2,
        settings: Settings | None,
        *,
        size: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        metadata: Mapping[str, Any],
    ) -> None:
        _check_size(size)
        self._size = size
        self._most = pictures_that_fit(device, model.config, size, dtype.itemsize)
        self._device = device
        self._dtype = dtype
        self._model = ITAE(model, settings).to(device, dtype).eval()
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(_IMAGENET_MEAN, device=device).view(shape) * 255
        self._std = torch.tensor(_IMAGENET_STD, device=device).view(shape) * 255
        self._metadata = {
            **metadata,
            "theta": settings.theta if settings else None,
            "size": size,
            "device": device.type,
            "precision": str(dtype).removeprefix("torch."),
            "preprocessing": PREPROCESSING,
            "dim": self.dim,
        }

    @property
    def module(self) -> ITAE:
        """The patched model itself."""
        return self._model

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""
        return self._model.backbone.config.embed_dim

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return self._size

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Model, weights digest, θ (None: no ITAE), size, device, precision, preprocessing, D."""
        return self._metadata

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1.

        A batch that does not fit into the device's memory is halved until it does, and later ones
        are cut to what fitted.

        Raises:
            OutOfMemoryError: if the device has no memory for one picture.
        """
        parts: list[NDArray[np.float32]] = []
        rest = pixels
        while len(rest):
            part = rest[: self._most]
            try:
                with self._on_device(part) as images:
                    parts.append(_to_numpy(self._model(images)))
            except OutOfMemoryError:
                if len(part) == 1:
                    raise
                self._most = (len(part) + 1) // 2
                torch.cuda.empty_cache()  # nothing where there is no CUDA
                continue
            rest = rest[len(part) :]
        return np.concatenate(parts)

    def encode_each(
        self, pixels: NDArray[np.uint8], each: Sequence[Settings | None]
    ) -> NDArray[np.float32]:
        """One pass, many settings of ITAE: (B, size, size, 3) → (S, B, D) float32.

        Raises:
            ModelError: if the device runs out of memory.
        """
        with self._on_device(pixels) as images:
            return _to_numpy(self._model.sweep(images, each))

    def measure(self, pixels: NDArray[np.uint8]) -> TokenMeasures:
        """Norms and CLS attention of every token; see `types.TokenMeasures`.

        Raises:
            ModelError: if the device runs out of memory.
        """
        return self.survey(pixels, ())[0]

    def survey(
        self, pixels: NDArray[np.uint8], each: Sequence[Settings | None]
    ) -> tuple[TokenMeasures, NDArray[np.float32]]:
        """`measure` and `encode_each` in one pass.

        Raises:
            ModelError: if the device runs out of memory.
        """
        with self._on_device(pixels) as images:
            measures, vectors = self._model.survey(images, each)
            return (
                TokenMeasures(
                    query_norms=_to_numpy(measures.query_norms),
                    output_norms=_to_numpy(measures.output_norms),
                    attention=_to_numpy(measures.attention),
                    attenuated=_to_numpy(measures.attenuated),
                    registers=self.registers,
                ),
                _to_numpy(vectors),
            )

    @property
    def registers(self) -> int:
        """R, the number of register tokens."""
        return self._model.backbone.config.registers

    @contextmanager
    def _on_device(self, pixels: NDArray[np.uint8]) -> Iterator[Tensor]:
        """Pixels as normalised (B, 3, size, size) images on the device, without gradients."""
        try:
            with torch.inference_mode():
                images = self._to_device(torch.from_numpy(pixels)).permute(0, 3, 1, 2)
                yield ((images.float() - self._mean) / self._std).to(self._dtype)
        except RuntimeError as error:  # which class it is depends on device and torch version
            if not any(words in str(error) for words in _OUT_OF_MEMORY):
                raise
            raise OutOfMemoryError(
                f"out of memory on {self._device.type} with {len(pixels)} pictures at once; "
                "use a smaller --batch-size, a smaller --model or --device cpu"
            ) from None

    def _to_device(self, pixels: Tensor) -> Tensor:
        """To the device; through pinned memory, beside the computation, where that is CUDA."""
        if self._device.type == "cuda":
            return pixels.pin_memory().to(self._device, non_blocking=True)
        return pixels.to(self._device)


def _to_numpy(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.float().cpu().numpy()
    return result
