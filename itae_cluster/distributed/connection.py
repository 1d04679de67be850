"""A cluster of machines, or this one, for as long as a job takes."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from itae_cluster.core.errors import ItaeClusterError, UsageError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connect", "explain_failures", "load_ray", "silence_data"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a worker without a GPU sees the machine as it is
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # lost workers are expected, and their work is done again
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # such losses are else told on standard output
}


def load_ray() -> Any:
    """The library, told to be silent.

    Raises:
        UsageError: if it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
        import ray.util.client
    except ImportError:
        raise UsageError(
            "--ray needs Ray, on this machine and all others: pip install 'itae-cluster[ray]'"
        ) from None
    return ray


@contextlib.contextmanager
def connect(address: str) -> Iterator[None]:
    """Stay connected within; a connection that is there already is used and left open.

    Args:
        address: `ray://HOST:PORT`; or `auto`: the cluster that RAY_ADDRESS names or that this
            machine belongs to, else this machine alone.

    Raises:
        UsageError: if Ray is not installed.
        WorkerError: if the cluster cannot be reached, or is lost on the way.
    """
    ray = load_ray()
    if ray.is_initialized():
        with explain_failures():
            yield
        return
    try:
        with _silence():
            ray.init(
                address=None if address == "auto" else address,
                include_dashboard=False if address == "auto" else None,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WorkerError(
            f"no Ray cluster at {address} ({reason}); see 'ray status', and check --ray and "
            "RAY_ADDRESS"
        ) from error
    try:
        with explain_failures():
            yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without what Ray's C++ core says on file descriptor 2 while it starts; errors are raised."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def silence_data() -> None:
    """Ray Data without words and bars of its own."""
    ray = load_ray()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


@contextlib.contextmanager
def explain_failures() -> Iterator[None]:
    """What workers raise: our own errors as they are, any other as a `WorkerError` of one line."""
    ray = load_ray()
    try:
        yield
    except ray.exceptions.RayError as error:
        for each in _causes(error):
            if isinstance(each, ItaeClusterError):
                raise type(each)(*each.args) from error
        deepest = [*_causes(error)][-1]
        lines = [line.strip() for line in str(deepest).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(deepest).__name__
        raise WorkerError(
            f"workers of the Ray cluster failed ({reason}); "
            "run the same command again, which goes on where it stopped"
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: BaseException | None = error
    while waiting is not None and id(waiting) not in seen:
        seen.add(id(waiting))
        yield waiting
        waiting = getattr(waiting, "cause", None) or waiting.__cause__
