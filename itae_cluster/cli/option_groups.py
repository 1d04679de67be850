"""Options that several commands take together: one parameter of the command, many on its line.

A group is a dataclass whose fields are annotated as Typer wants its parameters.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from itae_cluster.cli import parameters as given
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import (
    CacheOptions,
    ClusterOptions,
    DeviceName,
    InputOptions,
    ModelOptions,
    parse_k,
    parse_theta,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CacheGroup",
    "ClusterGroup",
    "EmbeddingGroup",
    "ModelGroup",
    "PictureGroup",
    "with_option_groups",
]

R = TypeVar("R")


@dataclass(frozen=True)
class PictureGroup:
    """Which pictures."""

    paths: given.Paths = None
    exclude: given.Exclude = None
    only: given.Only = None
    null: given.Null = False

    @property
    def _named(self) -> bool:
        return bool(self.paths) or self.only is not None

    def read(self) -> InputOptions:
        """The options, with the lists that they name read.

        Raises:
            UsageError: if a list cannot be read.
        """
        return given.read_inputs(self.paths, self.null, self.exclude, self.only)

    def check_named(self) -> None:
        """Raise `UsageError` where none are."""
        if not self._named:
            raise UsageError("name pictures or folders, - for a list, or --only FILE")

    def check_given(self, vectors: str | None) -> None:
        """Raise `UsageError` where none are, and there is no vector file in their place."""
        if vectors is None and not self._named:
            raise UsageError(
                "name pictures or folders, - for a list, --only FILE or --embeddings FILE"
            )


@dataclass(frozen=True)
class ModelGroup:
    """Which model."""

    model: given.Model = ModelOptions.model
    weights: given.Weights = ModelOptions.weights
    theta: given.Theta = "auto"
    size: given.Size = ModelOptions.size
    device: given.Device = DeviceName.AUTO
    batch_size: given.BatchSize = ModelOptions.batch_size
    offline: given.Offline = ModelOptions.offline

    def options(self) -> ModelOptions:
        """What they say, checked."""
        return ModelOptions(**{**vars(self), "theta": parse_theta(self.theta)})


@dataclass(frozen=True)
class EmbeddingGroup(ModelGroup):
    """How pictures become embeddings."""

    precision: given.Precision = ModelOptions.precision
    max_pixels: given.MaxPixels = given.MAX_PIXELS

    def options(self) -> ModelOptions:
        """What they say, checked."""
        pixels = given.parse_size("--max-pixels", self.max_pixels)
        theta = parse_theta(self.theta)
        return ModelOptions(**{**vars(self), "theta": theta, "max_pixels": pixels})


@dataclass(frozen=True)
class ClusterGroup:
    """How embeddings become clusters."""

    k: given.K = given.AUTO_K
    algorithm: given.Algorithm = ClusterOptions.algorithm
    reduce: given.Reduce = ClusterOptions.reduce
    reduce_dim: given.ReduceDim = ClusterOptions.reduce_dim
    neighbors: given.Neighbors = ClusterOptions.neighbors
    linkage: given.Linkage = ClusterOptions.linkage
    min_cluster_size: given.MinClusterSize = ClusterOptions.min_cluster_size
    assign_noise: given.AssignNoise = ClusterOptions.assign_noise
    restarts: given.Restarts = ClusterOptions.restarts
    seed: given.Seed = ClusterOptions.seed

    def options(self) -> ClusterOptions:
        """What they say, checked."""
        k, k_range = parse_k(self.k)
        return ClusterOptions(**{**vars(self), "k": k, "k_range": k_range})


@dataclass(frozen=True)
class CacheGroup:
    """Where embeddings are kept."""

    cache: given.CacheFolder = CacheOptions.folder
    no_cache: given.NoCache = CacheOptions.off

    def options(self) -> CacheOptions:
        """What they say, checked."""
        return CacheOptions(self.cache, self.no_cache)


def with_option_groups(command: Callable[..., R]) -> Callable[..., R]:
    """The command as Typer takes it: each field of a group is a parameter of its own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def run(**values: Any) -> R:
        taken = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**values, **taken)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _flattened(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=hints[name]))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _flattened(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=hints[field.name],
        )
