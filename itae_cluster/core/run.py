"""What the stages of one run share, so that it travels as one argument."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.core.cache import Cache, open_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itae_cluster.core.options import CacheOptions
    from itae_cluster.core.types import Encoder, Reporter

__all__ = ["Run", "open_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Whom a run tells, what is known from earlier ones, and perhaps an encoder of the caller's.

    `encoder` is used in place of the model that the options name; None for that model.
    """

    reporter: Reporter
    cache: Cache
    encoder: Encoder | None = None


@contextlib.contextmanager
def open_run(
    reporter: Reporter, caching: CacheOptions | None = None, encoder: Encoder | None = None
) -> Iterator[Run]:
    """A run whose cache is closed at the end.

    Args:
        reporter: told of progress, skips and warnings.
        caching: where embeddings are kept between runs; None for nowhere.
        encoder: used in place of the model that the options name.
    """
    with open_cache(caching, reporter) as cache:
        yield Run(reporter=reporter, cache=cache, encoder=encoder)
