"""Keyword arguments of the verbs → the options of the stages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from itae_cluster.api.results import AnyPath, Calibration
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import (
    Algorithm,
    CacheOptions,
    ClusterOptions,
    DeviceName,
    Engine,
    InputOptions,
    Linkage,
    ModelOptions,
    NoiseRule,
    Precision,
    Reduction,
    parse_k,
)
from itae_cluster.model.registry import known_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from enum import StrEnum

__all__ = [
    "AnyPath",
    "ClusterKeywords",
    "K",
    "ModelKeywords",
    "SortKeywords",
    "choose",
    "cluster_options",
    "model_options",
    "read_paths",
    "refuse",
]

K = int | str | tuple[int, int]
"""How many clusters: a number, `"auto"`, `"10..60"` or (10, 60)."""


class ModelKeywords(TypedDict, total=False):
    """How pictures become vectors; each is an option of the command (`docs/cli.md`).

    `theta` is a number, None for no ITAE, "auto" for the model's own, or a `Calibration`. `cache`
    is True for the user's cache folder, False for none, or a folder. `exclude` are patterns of
    files to leave out.
    """

    model: str
    weights: AnyPath | None
    theta: float | Literal["auto"] | Calibration | None
    size: int
    device: str
    batch_size: int | None
    precision: str
    engine: str
    offline: bool
    cache: bool | AnyPath
    exclude: Sequence[str]


class ClusterKeywords(TypedDict, total=False):
    """How vectors become clusters; each is an option of the command (`docs/cli.md`)."""

    algorithm: str
    reduce: str
    reduce_dim: int | None
    neighbors: int | None
    linkage: str
    min_cluster_size: int | None
    assign_noise: str | None
    restarts: int
    seed: int


class SortKeywords(ModelKeywords, ClusterKeywords, total=False):
    """What `embed` and `cluster` take, `sort` takes too.

    `names` tells whether clusters get suggested names, and pictures words for what they show.
    """

    names: bool


def read_paths(paths: AnyPath | Iterable[AnyPath], exclude: Sequence[str]) -> InputOptions:
    """One path or several, and patterns of what to leave out."""
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    names = tuple(os.fspath(path) for path in several)
    return InputOptions(paths=names, excludes=tuple(exclude))


def model_options(given: dict[str, Any]) -> tuple[ModelOptions, CacheOptions, Sequence[str]]:
    """Take the keywords of model, cache and exclusion out of `given`."""
    own = {key: given.pop(key) for key in ModelKeywords.__annotations__.keys() & given.keys()}
    cache, exclude = own.pop("cache", True), own.pop("exclude", ())
    caching = CacheOptions(
        folder=None if isinstance(cache, bool) else os.fspath(cache), off=cache is False
    )
    if "theta" in own:
        theta = own["theta"]
        own["theta"] = theta.theta if isinstance(theta, Calibration) else theta
    if own.get("weights") is not None:
        own["weights"] = os.fspath(own["weights"])
    kinds = {"device": DeviceName, "precision": Precision, "engine": Engine}
    for key, kind in kinds.items():
        if key in own:
            own[key] = choose(kind, own[key])
    if "model" in own:
        known_name(own["model"])
    return ModelOptions(**own), caching, exclude


def cluster_options(k: K, given: dict[str, Any]) -> ClusterOptions:
    """Take the keywords of clustering out of `given`; what is left then is unknown."""
    own = {key: given.pop(key) for key in ClusterKeywords.__annotations__.keys() & given.keys()}
    refuse(given)
    text = f"{k[0]}..{k[1]}" if isinstance(k, tuple) else str(k)
    number, k_range = parse_k(text)
    kinds = {"algorithm": Algorithm, "reduce": Reduction, "linkage": Linkage}
    for key, kind in (*kinds.items(), ("assign_noise", NoiseRule)):
        if own.get(key) is not None:
            own[key] = choose(kind, own[key])
    return ClusterOptions(k=number, k_range=k_range, **own)


def refuse(unknown: Mapping[str, Any]) -> None:
    """As Python does for a keyword argument that a function does not have."""
    if unknown:
        raise TypeError(f"unexpected keyword argument {next(iter(unknown))!r}")


def choose(kind: type[StrEnum], value: str) -> Any:
    """The member of that name; `InputError` names them all."""
    try:
        return kind(value)
    except ValueError:
        raise InputError(
            f"{value!r} is none of {', '.join(item.value for item in kind)}; name one of them"
        ) from None
