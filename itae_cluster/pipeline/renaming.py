"""Names for the clusters of a result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster import locks
from itae_cluster.errors import OutputError
from itae_cluster.names import printable
from itae_cluster.renaming import rename_clusters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itae_cluster.types import Reporter

__all__ = ["rename_result"]


def rename_result(out: str, wanted: Mapping[str, str], reporter: Reporter) -> dict[str, str]:
    """Rename cluster folders of the result `out`: folder → name; what was renamed.

    Raises:
        InputError: if a name cannot be used or a folder is not there; nothing was changed then.
        JournalError: if it is no result, or an earlier change is not finished.
        BusyError: if another process is at work there.
        OutputError: if the disk fails; asking for the same names again finishes it.
    """
    real = os.path.realpath(out)
    with locks.claimed(real, (), reporter):
        try:
            return rename_clusters(real, wanted)
        except OSError as error:
            raise OutputError(
                f"renaming in {printable(out)} stopped: {error.strerror}; nothing is lost; remove "
                "the cause and run it again"
            ) from error
