"""Options that several commands take together: one parameter of the command, many on its line.

A group is a dataclass whose fields are annotated as Typer wants its parameters, or are groups.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from itae_cluster.cli import parameters as given
from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.options import (
    Algorithm,
    CacheOptions,
    ClusterOptions,
    DeviceName,
    InputOptions,
    LabelOptions,
    ModelOptions,
    Reduction,
    StoredVectors,
    parse_k,
    parse_ray,
    parse_theta,
)
from itae_cluster.core.text import printable
from itae_cluster.model.registry import known_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CacheGroup",
    "ClusterGroup",
    "ComparedModelsGroup",
    "ComputeGroup",
    "EmbeddingGroup",
    "FrozenModelGroup",
    "LabelGroup",
    "MeasuredModelGroup",
    "ModelGroup",
    "PictureGroup",
    "RecipeGroup",
    "StoredGroup",
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
    def _is_any_named(self) -> bool:
        return bool(self.paths) or self.only is not None

    def read(self) -> InputOptions:
        """The options, with the lists that they name read.

        Raises:
            UsageError: if a list cannot be read.
        """
        return given.read_inputs(self.paths, self.null, self.exclude, self.only)

    def check_named(self) -> None:
        """Raise `UsageError` where none are."""
        if not self._is_any_named:
            raise UsageError("name pictures or folders, - for a list, or --only FILE")

    def _check_files(self) -> None:
        """Raise `InputError` where a file that is named is no picture."""
        from itae_cluster.pictures.formats import looks_like_picture, picture_suffixes

        for path in self.paths or ():
            known = os.path.splitext(path)[1].lower() in picture_suffixes()
            if os.path.isfile(path) and not known and not looks_like_picture(path):
                raise InputError(
                    f"{printable(path)} is not a picture; name pictures, or folders of pictures"
                )

    @contextlib.contextmanager
    def explain_too_few(self) -> Iterator[None]:
        """Name a file that is no picture where that is why there are too few of them."""
        try:
            yield
        except InputError:
            self._check_files()
            raise

    def check_given(self, vectors: str | None) -> None:
        """Raise `UsageError` where none are, and there is no vector file in their place."""
        if vectors is None and not self._is_any_named:
            raise UsageError(
                "name pictures or folders, - for a list, --only FILE or --embeddings FILE"
            )


@dataclass(frozen=True)
class ComputeGroup:
    """Where the weights are, and where to compute."""

    weights: given.Weights = ModelOptions.weights
    device: given.Device = DeviceName.AUTO
    batch_size: given.BatchSize = ModelOptions.batch_size
    offline: given.Offline = ModelOptions.offline

    def values(self) -> dict[str, Any]:
        """What they say, by name.

        Raises:
            UsageError: if there is no such file of weights.
        """
        if self.weights is not None and not os.path.isfile(self.weights):
            raise UsageError(f"no such file: {printable(self.weights)}; check --weights")
        return vars(self)

    def result_model(self) -> ModelOptions:
        """Of the model of a result, of which nothing else can be asked for."""
        return ModelOptions(**self.values())


@dataclass(frozen=True)
class MeasuredModelGroup:
    """Which model, for a job that sets θ itself."""

    model: given.Model = ModelOptions.model
    size: given.Size = ModelOptions.size
    compute: ComputeGroup = field(default_factory=ComputeGroup)

    def options(self) -> ModelOptions:
        """What the parameters say, checked."""
        return ModelOptions(model=known_name(self.model), size=self.size, **self.compute.values())


@dataclass(frozen=True)
class ModelGroup:
    """Which model."""

    model: given.Model = ModelOptions.model
    theta: given.Theta = "auto"
    size: given.Size = ModelOptions.size
    compute: ComputeGroup = field(default_factory=ComputeGroup)

    def options(self) -> ModelOptions:
        """What the parameters say, checked."""
        return ModelOptions(
            model=known_name(self.model),
            theta=parse_theta(self.theta),
            size=self.size,
            **self.compute.values(),
        )


@dataclass(frozen=True)
class EmbeddingGroup(ModelGroup):
    """How pictures become embeddings."""

    precision: given.Precision = ModelOptions.precision
    engine: given.Engine = ModelOptions.engine
    max_pixels: given.MaxPixels = given.MAX_PIXELS

    def options(self) -> ModelOptions:
        """What the parameters say, checked."""
        pixels = given.parse_size("--max-pixels", self.max_pixels)
        return replace(
            super().options(), precision=self.precision, engine=self.engine, max_pixels=pixels
        )

    def options_beside(self, vectors: str | None) -> ModelOptions:
        """The same; beside a vector file, what makes no difference to it counts for nothing."""
        options = self.options()
        if vectors is None:
            return options
        return replace(options, model=ModelOptions.model, offline=ModelOptions.offline)


@dataclass(frozen=True)
class ComparedModelsGroup:
    """Which models, one or several, all with the same settings."""

    model: given.Models = None
    theta: given.Theta = "auto"
    size: given.Size = ModelOptions.size
    compute: ComputeGroup = field(default_factory=ComputeGroup)

    def options(self) -> list[ModelOptions]:
        """What they say of each, checked."""
        names = self.model or [ModelOptions.model]
        if self.compute.weights is not None and len(names) > 1:
            raise UsageError("--weights is one model; leave it out, or give a single --model")
        common = {"theta": parse_theta(self.theta), "size": self.size, **self.compute.values()}
        return [ModelOptions(model=known_name(name), **common) for name in names]


@dataclass(frozen=True)
class FrozenModelGroup:
    """What may be said of the model of a result."""

    model: given.FrozenModel = None
    theta: given.FrozenTheta = None
    size: given.FrozenSize = None
    compute: ComputeGroup = field(default_factory=ComputeGroup)
    max_pixels: given.MaxPixels = given.MAX_PIXELS

    def options(self) -> ModelOptions:
        """What the parameters say, checked."""
        return ModelOptions(
            model=self.model or ModelOptions.model,
            theta=ModelOptions.theta if self.theta is None else parse_theta(self.theta),
            size=self.size,
            max_pixels=given.parse_size("--max-pixels", self.max_pixels),
            **self.compute.values(),
        )


@dataclass(frozen=True)
class RecipeGroup:
    """How embeddings become clusters, but for their number; no reduction is that of the job."""

    algorithm: given.Algorithm = Algorithm.KMEANS
    reduce: given.JobReduce = None
    reduce_dim: given.ReduceDim = ClusterOptions.reduce_dim
    neighbors: given.Neighbors = ClusterOptions.neighbors
    min_cluster_size: given.MinClusterSize = ClusterOptions.min_cluster_size
    assign_noise: given.AssignNoise = ClusterOptions.assign_noise
    seed: given.Seed = ClusterOptions.seed

    def options_for(self, k: int | None) -> ClusterOptions:
        """What they say, checked; where no reduction is asked for, the paper's, which is none."""
        umap = self.algorithm is Algorithm.HDBSCAN  # which needs few dimensions
        reduce = self.reduce or (Reduction.UMAP if umap else Reduction.NONE)
        return ClusterOptions(**{**vars(self), "reduce": reduce, "k": k})


@dataclass(frozen=True)
class ClusterGroup(RecipeGroup):
    """How embeddings become clusters, but for their number."""

    algorithm: given.Algorithm = ClusterOptions.algorithm
    reduce: given.Reduce = ClusterOptions.reduce
    linkage: given.Linkage = ClusterOptions.linkage
    restarts: given.Restarts = ClusterOptions.restarts

    def options(self, k: str) -> ClusterOptions:
        """What they say, checked, with `k` as `parse_k` reads it."""
        number, k_range = parse_k(k)
        return ClusterOptions(**vars(self), k=number, k_range=k_range)


@dataclass(frozen=True)
class CacheGroup:
    """Where embeddings are kept."""

    cache: given.CacheFolder = CacheOptions.folder
    no_cache: given.NoCache = CacheOptions.off

    def options(self) -> CacheOptions:
        """What the parameters say, checked."""
        return CacheOptions(self.cache, self.no_cache)


@dataclass(frozen=True)
class StoredGroup:
    """Vectors in place of pictures."""

    embeddings: given.VectorFile = None
    memory: given.Memory = given.MEMORY

    def options(self) -> StoredVectors | None:
        """What the parameters say, checked; None where there are none."""
        if self.embeddings is None:
            if self.memory != given.MEMORY:
                raise UsageError("--memory belongs to --embeddings DIR; leave it out")
            return None
        return StoredVectors(self.embeddings, given.parse_size("--memory", self.memory))


@dataclass(frozen=True)
class LabelGroup:
    """What becomes of the clusters of a folder of vectors in parts."""

    labels: given.Labels = LabelOptions.out
    near_duplicates: given.NearDuplicates = LabelOptions.near_duplicates
    ray: given.Ray = LabelOptions.ray

    def options(self) -> LabelOptions:
        """What the parameters say, checked."""
        if self.near_duplicates and self.labels is None:
            raise UsageError("--near-duplicates needs --labels DIR; add it")
        return LabelOptions(self.labels, self.near_duplicates, parse_ray(self.ray))


def with_option_groups(command: Callable[..., R]) -> Callable[..., R]:
    """The command as Typer takes it: each field of a group is a parameter of its own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def run(**values: Any) -> R:
        taken = {name: _build_group(group, values) for name, group in groups.items()}
        return command(**values, **taken)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _parameters_of(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=hints[name]))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameters_of(group: Any) -> Iterator[inspect.Parameter]:
    """A parameter for each field, in place of a group within the group those of its fields."""
    hints = get_type_hints(group, include_extras=True)
    for each in fields(group):
        if is_dataclass(hints[each.name]):
            yield from _parameters_of(hints[each.name])
            continue
        yield inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )


def _build_group(group: Any, values: dict[str, Any]) -> Any:
    """The group; what belongs to it is taken out of `values`."""
    hints = get_type_hints(group, include_extras=True)
    return group(
        **{
            each.name: _build_group(hints[each.name], values)
            if is_dataclass(hints[each.name])
            else values.pop(each.name)
            for each in fields(group)
        }
    )
