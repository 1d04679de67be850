"""The encoder that made a result, once more: its model, θ and size, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.core.errors import ResultError, UsageError, WeightsError
from itae_cluster.core.options import Precision, theta_text
from itae_cluster.embedding.deferred import encoder_for
from itae_cluster.model.registry import MINI, MINI_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter

__all__ = ["matching_encoder", "recall_options"]

_CUSTOM = "custom"


def recall_options(made_by: Mapping[str, Any], asked: ModelOptions) -> ModelOptions:
    """The options that lead to the encoder `made_by` describes.

    What was not asked for ("auto", no size) is what the result was made with.

    Raises:
        UsageError: if an option says otherwise.
        ResultError: if it is not known which weights made the result.
    """
    name, theta, size = made_by.get("name"), made_by.get("theta"), made_by.get("size")
    if not isinstance(name, str) or type(size) is not int:
        raise ResultError(
            "the result was made from vectors of an unknown model, so nothing can be added to it; "
            "sort the pictures again, into a new folder"
        )
    _check("--model", asked.model, name, same=asked.model in {"auto", name})
    wanted, made = theta_text(asked.theta), theta_text(theta)
    _check("--theta", wanted, made, same=asked.theta in {"auto", theta})
    _check("--size", asked.size, size, same=asked.size in {None, size})
    is_custom = name == _CUSTOM
    exact = made_by.get("precision") == "float32"
    return replace(
        asked,
        model="auto" if is_custom else name,
        weights=asked.weights or (made_by.get("weights") if is_custom else None),
        theta=theta,
        size=size,
        precision=Precision.FLOAT32 if exact else Precision.AUTO,
    )


def _check(option: str, given: object, frozen: object, *, same: bool) -> None:
    if not same:
        raise UsageError(
            f"{option} {given} contradicts the result, which was made with {frozen}; leave it out, "
            "or sort the pictures again, into a new folder"
        )


def matching_encoder(
    made_by: Mapping[str, Any],
    options: ModelOptions,
    cache: Cache,
    reporter: Reporter,
    encoder: Encoder | None = None,
) -> Encoder:
    """The encoder of `options`, refused where its vectors do not belong beside the result's.

    Args:
        made_by: what the result says of it.
        options: as `recall_options` gives them.
        cache: where an earlier run may have noted what it is.
        reporter: told where weights come from.
        encoder: used in place of the one that the options name.

    Raises:
        WeightsError: if the weights are others.
        ResultError: if pictures are prepared in another way by now.
    """
    found = encoder or encoder_for(options, cache, reporter)
    if made_by.get("weights_sha256") != found.metadata.get("weights_sha256"):
        raise WeightsError(_other_weights(made_by, found))
    prepared = found.metadata.get("preprocessing")
    if made_by.get("preprocessing") != prepared:
        raise ResultError(
            "an earlier version made the result and read colours and transparency differently, so "
            "nothing can be added to it; sort its pictures again, into a new folder"
        )
    if made_by.get("dim") != found.dim:
        raise ResultError(
            "the result was made by another version of this tool, whose vectors differ; sort again"
        )
    return found


def _other_weights(made_by: Mapping[str, Any], found: Encoder) -> str:
    then, now = str(made_by.get("weights_sha256")), str(found.metadata.get("weights_sha256"))
    if then in MINI_VERSIONS and now in MINI_VERSIONS:
        return (
            f"the model has changed: the result was made with {MINI} {MINI_VERSIONS[then]}, and "
            f"{MINI} {MINI_VERSIONS[now]} makes other vectors; sort the pictures again, or "
            "name the earlier file with --weights FILE"
        )
    return (
        f"the result was made with other weights of {made_by.get('name')} (SHA-256 {then[:12]}…); "
        "name those with --weights FILE"
    )
