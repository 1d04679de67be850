"""Getting weights: the policy between what is here and what can be fetched."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.core.errors import DownloadError, UsageError, WeightsError
from itae_cluster.core.files import atomic_path, file_digest
from itae_cluster.core.text import printable
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
    from collections.abc import Iterator

    from itae_cluster.core.types import Reporter

__all__ = ["ModelFile", "fetch", "import_checkpoint", "is_offline", "locate"]


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


# Verifying -----------------------------------------------------------------------------------


def _verified(wanted: Variant, reporter: Reporter) -> tuple[LocalCheckpoint, str] | None:
    """The first file that is what it claims to be, with its SHA-256.

    Official files must have the published digest. A wrong one in our cache is removed and named;
    one elsewhere is not ours, so it is passed over and named.
    """
    for found in local_checkpoints(wanted):
        digest = _digest(found.path)
        official = wanted.checkpoint
        is_official_file = official and os.path.basename(found.path) == official.filename
        if official is None or not is_official_file or digest == official.sha256:
            return found, digest
        if found.origin == "cache":
            with contextlib.suppress(OSError):
                os.unlink(found.path)
            reporter.warn(f"{found.path} was damaged and has been removed")
        else:
            reporter.warn(f"{found.path} is not the published file and is passed over")
    return None


def _digest(path: str) -> str:
    """SHA-256, remembered by path, size and time of the file: hashing a gigabyte takes seconds."""
    memory = os.path.join(cache_dir(), "digests.json")
    known = _digests(memory)
    try:
        status = os.stat(path)
        key = f"{os.path.realpath(path)}|{status.st_size}|{status.st_mtime_ns}"
        digest = known.get(key) or file_digest(path)
    except OSError as error:
        raise WeightsError(
            f"{printable(path)} cannot be read: {error.strerror}; check its permissions"
        ) from error
    if key not in known:
        known[key] = digest
        try:
            os.makedirs(cache_dir(), exist_ok=True)
            with atomic_path(memory) as part, open(part, "x", encoding="utf-8") as file:
                json.dump(known, file)
        except OSError:
            pass  # a cache that cannot be written only costs time
    return digest


def _digests(memory: str) -> dict[str, str]:
    try:
        with open(memory, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


# Getting -------------------------------------------------------------------------------------


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
            raise WeightsError(f"{printable(weights)} is no file; check --weights")
        return ModelFile(asked, weights, "file", _digest(weights))
    if name != AUTO:
        return _get(variant(name), offline, reporter)
    try:
        return _get(variant(PREFERRED), offline, reporter)
    except WeightsError as error:
        reporter.warn(
            f"using the small bundled model '{MINI}', because {PREFERRED} cannot be had "
            f"({_reason(error)}). For better clusters: itae-cluster models fetch {PREFERRED}, or "
            "itae-cluster models import FILE"
        )
        return _get(variant(MINI), offline, reporter)


def _reason(error: WeightsError) -> str:
    return str(error).partition(";")[0]


def _get(wanted: Variant, offline: bool, reporter: Reporter) -> ModelFile:
    here = _verified(wanted, reporter)
    if here is not None:
        found, digest = here
        return ModelFile(wanted, found.path, found.origin, digest)
    if wanted.checkpoint is None:
        raise WeightsError(f"{wanted.name} is missing from this installation; install it again")
    if is_offline(offline):
        raise WeightsError(
            f"{wanted.name} is not on this machine and the network is off; on another machine "
            f"run 'itae-cluster models fetch {wanted.name}', then here 'itae-cluster models "
            "import FILE'"
        )
    path = _download(wanted, reporter)
    return ModelFile(wanted, path, "cache", wanted.checkpoint.sha256)


def _download(wanted: Variant, reporter: Reporter) -> str:
    from itae_cluster.model.download import download

    assert wanted.checkpoint is not None  # only official variants are fetched
    target = os.path.join(cache_dir(), wanted.checkpoint.filename)
    _make_cache()
    download(wanted.checkpoint, target, label=wanted.name, reporter=reporter)
    return target


def _make_cache() -> None:
    try:
        os.makedirs(cache_dir(), exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"cannot make {printable(cache_dir())}: {error.strerror}; set ITAE_CLUSTER_CACHE to a "
            "folder that can be written to"
        ) from error


def fetch(name: str, *, offline: bool, reporter: Reporter) -> LocalCheckpoint:
    """Make sure a model is here: found, or downloaded into our cache.

    Raises:
        WeightsError: if it is not here and cannot be fetched.
    """
    located = _get(variant(PREFERRED if name == AUTO else name), offline, reporter)
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
        raise WeightsError(f"{printable(source)} is no file; check the path")
    from itae_cluster.model.checkpoint import load_model

    _make_cache()
    digest = file_digest(source)
    for known in VARIANTS.values():
        if known.checkpoint and known.checkpoint.sha256 == digest and asked in (None, known):
            return known, _store_copy(source, known.checkpoint.filename)
    model = load_model(source, asked.config if asked else None)
    found = asked or by_config(model.config)
    if found is None:
        raise WeightsError(
            f"{printable(source)} is a DINOv2 of no known size; use it with --weights instead"
        )
    from safetensors.torch import save_file

    target = os.path.join(cache_dir(), f"{found.name}.safetensors")
    with _stored(target) as part:
        save_file(dict(model.state_dict()), part, metadata={"layout": "official"})
    return found, target


def _store_copy(source: str, filename: str) -> str:
    target = os.path.join(cache_dir(), filename)
    with _stored(target) as part:
        shutil.copyfile(source, part)
    return target


@contextlib.contextmanager
def _stored(target: str) -> Iterator[str]:
    """`atomic_path` in our cache, with an error that names the remedy."""
    try:
        with atomic_path(target) as part:
            yield part
    except OSError as error:
        raise WeightsError(
            f"cannot write {printable(target)}: {error.strerror or error}; make room or set "
            "ITAE_CLUSTER_CACHE"
        ) from error
