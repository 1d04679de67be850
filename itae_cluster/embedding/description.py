"""What an encoder says of itself: which weights, which θ, and how it computes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import theta_text
from itae_cluster.model import thresholds
from itae_cluster.model.config import PATCH
from itae_cluster.model.registry import MINI, MINI_VERSIONS, by_config
from itae_cluster.pictures.decode import PREPROCESSING

if TYPE_CHECKING:
    from typing import Any

    from itae_cluster.core.options import Theta
    from itae_cluster.core.types import Reporter
    from itae_cluster.model.acquire import ModelFile
    from itae_cluster.model.config import DINOv2Config
    from itae_cluster.model.registry import Variant

__all__ = ["check_size", "describe_model", "describe_recipe"]


def check_size(size: int) -> None:
    """Raise `UsageError` where the side of the input in pixels is no positive multiple of 14."""
    if size < PATCH or size % PATCH:
        nearest = max(PATCH, round(size / PATCH) * PATCH)
        raise UsageError(f"--size {size} is not a multiple of {PATCH}; try {nearest}")


def describe_model(
    theta: Theta, located: ModelFile, config: DINOv2Config, reporter: Reporter
) -> tuple[float | None, dict[str, Any]]:
    """θ as a number, None for no ITAE, and what is known of the weights.

    A file without a name is known by its shape, and has the θ of its official kin.
    """
    variant = located.variant or by_config(config)
    if theta == "auto":
        theta = _find_theta(variant, located.sha256, reporter)
    name = located.variant.name if located.variant else "custom"
    version = MINI_VERSIONS.get(located.sha256) if name == MINI else None
    reporter.info(f"model {name}, weights {located.path}, theta {theta_text(theta)}")
    return theta, {
        "name": name,
        **({"version": version} if version else {}),
        "origin": located.origin,
        "weights": os.path.abspath(located.path),
        "weights_sha256": located.sha256,
        "published_theta": variant.theta if variant else None,
    }


def describe_recipe(
    *, theta: float | None, size: int, device: str, engine: str, precision: str, dim: int
) -> dict[str, Any]:
    """The rest: all that shapes a vector, and where it was computed."""
    return {
        "theta": theta,
        "size": size,
        "device": device,
        "engine": engine,
        "precision": precision,
        "preprocessing": PREPROCESSING,
        "dim": dim,
    }


def _find_theta(variant: Variant | None, digest: str, reporter: Reporter) -> float | None:
    """The user's own calibrated θ for these weights, else the published one for the model."""
    saved = thresholds.load(digest)
    if saved is None:
        return variant.theta if variant else None
    shown = theta_text(saved.theta)
    reporter.note(f"theta {shown}, saved by 'itae-cluster calibrate' for these weights")
    return saved.theta
