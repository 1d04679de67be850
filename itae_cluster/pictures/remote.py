"""Pictures in object stores: `s3://bucket/photos`, found by their suffixes alone."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.places import is_remote, open_place
from itae_cluster.core.text import printable
from itae_cluster.core.types import ScanResult
from itae_cluster.pictures.formats import picture_suffixes
from itae_cluster.pictures.scan import compile_excludes, find_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.core.options import InputOptions
    from itae_cluster.core.types import Reporter

__all__ = ["find_anywhere"]


def find_anywhere(inputs: InputOptions, reporter: Reporter) -> ScanResult:
    """As `find_pictures`, of this machine's folders and of object stores; absolute paths.

    Objects with a hidden part in their name are passed over, and those without a picture's suffix:
    looking into each would mean a request for each.

    Raises:
        InputError: if there is no picture, or a store cannot be read.
        UsageError: if a list picks some of a store's objects, which is not offered.
    """
    stores = [path for path in inputs.paths if is_remote(path)]
    if not stores:
        found = find_pictures(inputs, None, reporter)
        return replace(found, files=tuple(map(os.path.abspath, found.files)))
    if inputs.only is not None or inputs.listed:
        raise UsageError("lists name files of this machine; leave out --only and - beside s3://")
    here = replace(inputs, paths=tuple(path for path in inputs.paths if path not in stores))
    local = find_pictures(here, None, reporter) if here.paths else ScanResult(())
    passed_over = Counter(local.passed_over)
    files = set(map(os.path.abspath, local.files))
    for store in stores:
        files |= _find_objects(store, inputs.excludes, passed_over)
    if not files:
        raise InputError(f"no picture found in {printable(stores[0])}; check the address")
    return replace(
        local,
        files=tuple(sorted(files, key=os.fsencode)),
        passed_over=dict(passed_over.most_common()),
    )


def _find_objects(store: str, excludes: Sequence[str], passed_over: Counter[str]) -> set[str]:
    suffixes = picture_suffixes()
    spec = compile_excludes(excludes)
    start = len(store.rstrip("/")) + 1
    found = set()
    try:
        for address in open_place(store).walk():
            below = address[start:]
            suffix = os.path.splitext(address)[1].lower()
            if any(part.startswith(".") for part in below.split("/")):
                continue
            if spec is not None and spec.match_file(below):
                continue
            if suffix in suffixes:
                found.add(address)
            else:
                passed_over[suffix or "no suffix"] += 1
    except OSError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{printable(store)} cannot be read ({reason}); check the address and the credentials"
        ) from error
    return found
