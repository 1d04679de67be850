"""Getting weights: the policy between what is here and what can be fetched."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.core.errors import DownloadError, UsageError, WeightsError
from itae_cluster.core.files import atomic_path, explain_write_errors, file_digest
from itae_cluster.core.text import printable
from itae_cluster.model.digests import checkpoint_digest
from itae_cluster.model.registry import (
    AUTO,
    MINI,
    PREFERRED,
    VARIANTS,
    Variant,
    by_config,
    variant,
)
from itae_cluster.model.store import LocalCheckpoint, cache_dir, local_checkpoints

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter

__all__ = ["ModelFile", "fetch", "import_checkpoint", "is_offline", "locate"]

_REMEDY = "make room, or set ITAE_CLUSTER_CACHE to a folder that can be written to"
_ADVICE = "; --model mini does without, 'itae-cluster models fetch {}' gets it beforehand"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file to load. `variant` is None where only a file was named."""

    variant: Variant | None
    path: str
    origin: str
    sha256: str


def is_offline(asked: bool = False) -> bool:
    """Whether the network is off limits: `--offline`, or either variable set to a true value."""
    variables = ("ITAE_CLUSTER_OFFLINE", "HF_HUB_OFFLINE")
    return asked or any(
        os.environ.get(name, "").lower() in {"1", "true", "yes", "on"} for name in variables
    )


def locate(name: str, *, weights: str | None, offline: bool, reporter: Reporter) -> ModelFile:
    """The checkpoint for `--model` and `--weights`.

    A model asked for by name never falls back to another. `auto` does, with one warning: it takes
    `PREFERRED` where that is here or can be fetched, else `MINI`.

    Raises:
        WeightsError: if the weights are not here and may not or cannot be fetched.
        UsageError: if the name is unknown.
    """
    if weights is not None:
        asked = None if name == AUTO else variant(name)
        if not os.path.isfile(weights):
            raise WeightsError(f"{printable(weights)} is not a file; check --weights")
        return ModelFile(asked, weights, "file", checkpoint_digest(weights))
    if name != AUTO:
        return _get(variant(name), offline, reporter)
    try:
        return _get(variant(PREFERRED), offline, reporter)
    except WeightsError as error:
        reason = str(error).partition(";")[0].partition(" (")[0]
        reporter.warn(
            f"{reason}: using '{MINI}'; --model mini says nothing, "
            f"'itae-cluster models fetch {PREFERRED}' gets the better one"
        )
        return _get(variant(MINI), offline, reporter)


def _get(wanted: Variant, offline: bool, reporter: Reporter, advice: str = _ADVICE) -> ModelFile:
    here = _find_verified(wanted, reporter)
    if here is not None:
        return here
    if wanted.checkpoint is None:
        raise WeightsError(f"{wanted.name} is missing from this installation; install it again")
    if is_offline(offline):
        raise WeightsError(
            f"{wanted.name} is not on this machine and the network is off; on another machine "
            f"run 'itae-cluster models fetch {wanted.name}', then here 'itae-cluster models "
            "import FILE'"
        )
    from itae_cluster.model.download import download

    path = os.path.join(_make_cache(), wanted.checkpoint.filename)
    download(
        wanted.checkpoint,
        path,
        label=wanted.name,
        reporter=reporter,
        advice=advice.format(wanted.name),
    )
    return ModelFile(wanted, path, "cache", wanted.checkpoint.sha256)


def _find_verified(wanted: Variant, reporter: Reporter) -> ModelFile | None:
    """The first file on this machine that is what it claims to be.

    Official files must have the published digest. A wrong one in our cache is removed and named;
    one elsewhere is not ours, so it is passed over and named.
    """
    for candidate in local_checkpoints(wanted):
        digest = checkpoint_digest(candidate.path)
        official = wanted.checkpoint
        is_official_file = official and os.path.basename(candidate.path) == official.filename
        if official is None or not is_official_file or digest == official.sha256:
            return ModelFile(wanted, candidate.path, candidate.origin, digest)
        if candidate.origin == "cache":
            with contextlib.suppress(OSError):
                os.unlink(candidate.path)
            reporter.warn(f"{printable(candidate.path)} was damaged and has been removed")
        else:
            reporter.warn(
                f"{printable(candidate.path)} is not the published file and is passed over"
            )
    return None


def _make_cache() -> str:
    folder = cache_dir()
    with explain_write_errors(folder, _REMEDY, DownloadError):
        os.makedirs(folder, exist_ok=True)
    return folder


def fetch(name: str, *, offline: bool, reporter: Reporter) -> LocalCheckpoint:
    """Make sure a model is here: found, or downloaded into our cache.

    Raises:
        WeightsError: if it is not here and cannot be fetched.
    """
    wanted = variant(PREFERRED if name == AUTO else name)
    located = _get(wanted, offline, reporter, advice="")
    return LocalCheckpoint(located.path, located.origin)


def import_checkpoint(source: str, name: str | None) -> tuple[Variant, str]:
    """Take a checkpoint file, in any layout, into our cache. The source is left as it is.

    The official file keeps its name and is known by its digest; any other is converted to the
    official layout and stored as `<variant>.safetensors`.

    Args:
        source: the file.
        name: the variant it must be; None finds out.

    Returns:
        The variant, and where its weights are now.

    Raises:
        WeightsError: if the file cannot be read or is no variant we know, or not the one named.
    """
    asked = None if name is None else variant(name)
    if asked is not None and asked.checkpoint is None:
        raise UsageError(f"{asked.name} is part of the package; import another model")
    if not os.path.isfile(source):
        raise WeightsError(f"{printable(source)} is not a file; check the path")
    from itae_cluster.model.checkpoint import load_model

    folder = _make_cache()
    digest = file_digest(source)
    for known in VARIANTS.values():
        if known.checkpoint and known.checkpoint.sha256 == digest and asked in (None, known):
            target = os.path.join(folder, known.checkpoint.filename)
            with explain_write_errors(target, _REMEDY, WeightsError), atomic_path(target) as part:
                shutil.copyfile(source, part)
            return known, target
    model = load_model(source, asked.config if asked else None)
    kind = asked or by_config(model.config)
    if kind is None:
        raise WeightsError(
            f"{printable(source)} is a DINOv2 of no known size; use it with --weights instead"
        )
    from safetensors.torch import save_file

    target = os.path.join(folder, f"{kind.name}.safetensors")
    with explain_write_errors(target, _REMEDY, WeightsError), atomic_path(target) as part:
        save_file(dict(model.state_dict()), part, metadata={"layout": "official"})
    return kind, target
