"""Pixels to embeddings: a DINOv2 with ITAE on a device.

Preprocessing as in the paper (Sec. 4.1): pictures come resized to a square (see `decode`), and
are normalised here with the ImageNet mean and standard deviation.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from itae_cluster.core.errors import ModelError, OutOfMemoryError
from itae_cluster.core.options import DeviceName, Engine, Precision
from itae_cluster.core.types import TokenMeasures
from itae_cluster.embedding.compilation import CompiledModel, compiling_pays
from itae_cluster.embedding.description import check_size, describe_model, describe_recipe
from itae_cluster.embedding.memory import pictures_that_fit
from itae_cluster.embedding.mixed import MixedEncoder
from itae_cluster.embedding.precision import choose_precision, is_bfloat16_fast
from itae_cluster.embedding.transport import transport_to
from itae_cluster.model.acquire import locate
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.config import IMAGENET_MEAN, IMAGENET_STD
from itae_cluster.model.dinov2 import convert_model
from itae_cluster.model.itae import ITAE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.model.acquire import ModelFile
    from itae_cluster.model.dinov2 import DINOv2

__all__ = ["TorchEncoder", "choose_device", "load_encoder", "load_exact_encoder"]

_DTYPES = {
    Precision.FLOAT32: torch.float32,
    Precision.BFLOAT16: torch.bfloat16,
    Precision.FLOAT16: torch.float16,
}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


def load_encoder(
    options: ModelOptions,
    reporter: Reporter,
    *,
    located: ModelFile | None = None,
    fast_bfloat16: Callable[[Engine], bool] = is_bfloat16_fast,
) -> Encoder:
    """Load the weights into torch, and patch the last block with θ.

    Args:
        options: model, weights, θ, size, device, precision.
        reporter: told where weights come from.
        located: the weights; found or fetched by `options` where None.
        fast_bfloat16: see `is_bfloat16_fast`.

    Raises:
        ModelError: if the model, its weights, its size or its device cannot be had.
    """
    check_size(options.side)
    device = choose_device(options.device)
    model, settings, metadata = _load_patched(options, reporter, located)
    precision = choose_precision(
        options.precision,
        device.type,
        itae=settings is not None,
        fast_bfloat16=partial(fast_bfloat16, Engine.TORCH),
    )
    build = partial(
        TorchEncoder, settings=settings, size=options.side, device=device, metadata=metadata
    )
    if precision is not Precision.MIXED:
        return build(model, dtype=_DTYPES[precision])
    fast = build(convert_model(model, torch.bfloat16), dtype=torch.bfloat16)
    return MixedEncoder(fast, partial(build, model, dtype=torch.float32), reporter)


def load_exact_encoder(options: ModelOptions, reporter: Reporter) -> TorchEncoder:
    """As `load_encoder`, in float32 whatever the options say: for jobs that look into the model."""
    check_size(options.side)
    device = choose_device(options.device)
    model, settings, metadata = _load_patched(options, reporter, None)
    return TorchEncoder(model, settings, size=options.side, device=device, metadata=metadata)


def _load_patched(
    options: ModelOptions, reporter: Reporter, located: ModelFile | None
) -> tuple[DINOv2, Settings | None, dict[str, Any]]:
    """The model, how it is patched, and what is known of the weights."""
    if located is None:
        located = locate(
            options.model, weights=options.weights, offline=options.offline, reporter=reporter
        )
    model = load_model(located.path, located.variant.config if located.variant else None)
    theta, metadata = describe_model(options.theta, located, model.config, reporter)
    return model, None if theta is None else Settings(theta), metadata


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
        check_size(size)
        self._size = size
        self._most = pictures_that_fit(device, model.config, size, dtype.itemsize)
        self._device = device
        self._dtype = dtype
        self._transport = transport_to(device)
        self._model = ITAE(model, settings).to(device, dtype).eval()
        self._forward: Callable[[Tensor], Tensor] = self._model
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(IMAGENET_MEAN, device=device).view(shape) * 255
        self._std = torch.tensor(IMAGENET_STD, device=device).view(shape) * 255
        self._metadata = {
            **metadata,
            **describe_recipe(
                theta=settings.theta if settings else None,
                size=size,
                device=device.type,
                engine="torch",
                precision=str(dtype).removeprefix("torch."),
                dim=self.dim,
            ),
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
        return self.begin(pixels)()

    def begin(self, pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
        """As `encode`, which ends when what is returned is called; a GPU computes meanwhile.

        The pixels may change as soon as this returns.

        Raises:
            OutOfMemoryError: if the device has no memory for one picture.
        """
        fetch = self._in_parts(pixels, lambda images: (self._forward(images),))
        return lambda: fetch()[0]

    def expect(self, pictures: int, reporter: Reporter) -> None:
        """Compile the model where it pays to do so for so many pictures; never on a CPU."""
        config = self._model.backbone.config
        if self._device.type == "cuda" and compiling_pays(config, self._size, pictures):
            reporter.info("compiling the model, since there are many pictures")
            self._forward = CompiledModel(self._model, reporter)

    def encode_with_distance(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `encode`, and (B,) the `distance_to_theta`.

        Raises:
            ModelError: if there is no θ, or the device has no memory for one picture.
        """
        vectors, distances = self._in_parts(pixels, self._model.embed_with_distance)()
        return vectors, distances

    def _in_parts(
        self, pixels: NDArray[np.uint8], forward: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> Callable[[], list[NDArray[np.float32]]]:
        """What `forward` makes of all pictures, as many at once as there is memory for."""
        parts: list[Callable[[], list[NDArray[np.float32]]]] = []
        rest = pixels
        while len(rest):
            part = rest[: self._most]
            try:
                with self._on_device(part) as images:
                    parts.append(self._transport.bring_back(forward(images)))
            except OutOfMemoryError:
                if len(part) == 1:
                    raise
                self._most = (len(part) + 1) // 2
                torch.cuda.empty_cache()  # nothing where there is no CUDA
                continue
            rest = rest[len(part) :]

        def fetch() -> list[NDArray[np.float32]]:
            columns = zip(*(arrays() for arrays in parts), strict=True)
            return [np.concatenate(column) for column in columns]

        return fetch

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
                images = self._transport.send(torch.from_numpy(pixels)).permute(0, 3, 1, 2)
                yield ((images.float() - self._mean) / self._std).to(self._dtype)
        except RuntimeError as error:  # which class it is depends on device and torch version
            if not any(words in str(error) for words in _OUT_OF_MEMORY):
                raise
            raise OutOfMemoryError(
                f"out of memory on {self._device.type} with {len(pixels)} pictures at once; "
                "use a smaller --batch-size, a smaller --model or --device cpu"
            ) from None


def _to_numpy(values: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = values.float().cpu().numpy()
    return result
