"""Pixels to a device and vectors back, beside what the device computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["CudaTransport", "PlainTransport", "Transport", "transport_to"]

_cuda: Any = torch.cuda  # its streams have no types


class Transport(Protocol):
    """The way between this process's memory and a device's."""

    def send(self, pixels: Tensor) -> Tensor:
        """A copy on the device, for what is computed next; `pixels` may change from now on."""

    def bring_back(self, values: Sequence[Tensor]) -> Callable[[], list[NDArray[np.float32]]]:
        """Begin with it; what is returned waits for the end of it."""


def transport_to(device: torch.device) -> Transport:
    """The one that suits the device."""
    return CudaTransport(device) if device.type == "cuda" else PlainTransport(device)


class PlainTransport:
    """A copy there at once, one back when it is asked for.

    Args:
        device: a CPU, or MPS.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def send(self, pixels: Tensor) -> Tensor:
        """See `Transport`; where the device is the CPU it is no copy."""
        return pixels.to(self._device)

    def bring_back(self, values: Sequence[Tensor]) -> Callable[[], list[NDArray[np.float32]]]:
        """See `Transport`."""
        return lambda: [each.float().cpu().numpy() for each in values]


class CudaTransport:
    """Through pinned memory and a stream of its own, so that a batch comes while one is computed.

    Args:
        device: of CUDA.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _cuda.Stream(device)

    def send(self, pixels: Tensor) -> Tensor:
        """See `Transport`."""
        pinned = pixels.pin_memory()  # a copy; torch keeps it until the stream has read it
        with _cuda.stream(self._stream):
            there = pinned.to(self._device, non_blocking=True)
        computing = _cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        there.record_stream(computing)  # its memory is not given away before that is through
        return there

    def bring_back(self, values: Sequence[Tensor]) -> Callable[[], list[NDArray[np.float32]]]:
        """See `Transport`."""
        there = [each.float().to("cpu", non_blocking=True) for each in values]  # pinned, too
        arrived = _cuda.Event()
        arrived.record(_cuda.current_stream(self._device))

        def wait() -> list[NDArray[np.float32]]:
            arrived.synchronize()
            return [each.numpy() for each in there]

        return wait
