"""Work on the parts of a folder of embeddings, by the workers of a Ray cluster."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from itae_cluster.distributed.connection import load_ray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["for_each_part"]

_AHEAD = 2  # tasks for each processor: one at work, one waiting

T = TypeVar("T")


def for_each_part(work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
    """What the work makes of each part, in order; a part whose worker is lost is done again."""
    ray = load_ray()
    shared = ray.put(work)  # once, not with every task
    start = partial(ray.remote(num_cpus=1, max_retries=-1)(_work_on).remote, shared)
    ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    remaining = iter(numbers)
    waiting = deque(map(start, islice(remaining, ahead)))
    while waiting:
        yield ray.get(waiting.popleft())
        waiting.extend(map(start, islice(remaining, 1)))


def _work_on(work: Callable[[int], Any], number: int) -> Any:
    return work(number)
