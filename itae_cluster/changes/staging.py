"""The staging folder: a result is built beside OUT and becomes OUT by one rename.

It holds links and copies only, no picture's only copy, and may be thrown away at any time.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import cannot_write, file_digest, is_disk_full, short_name
from itae_cluster.core.text import printable
from itae_cluster.results.journal import Journal, Write
from itae_cluster.results.plan import CONTACT_FOLDER, GENERATED, LEVELS_FILE, MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "check_output",
    "generated_names",
    "list_generated",
    "stage",
    "staging_name",
    "staging_pattern",
]

_LONGEST = 100  # bytes of OUT's name in that of its staging folder, which must stay below 255


def check_output(out: str) -> None:
    """Raise `OutputError` where OUT could not be created in the end; writes nothing."""
    shown = printable(out)
    real = os.path.realpath(out)
    if os.path.lexists(out) and not os.path.isdir(real):
        raise OutputError(f"{shown} exists and is not a folder; choose another --out")
    if os.path.isdir(real) and os.listdir(real):
        raise OutputError(f"{shown} is not empty; choose a new folder for --out or empty this one")
    if os.path.isdir(real) and os.path.samefile(real, os.curdir):
        raise OutputError("--out is the current folder; choose a new folder, such as ./sorted")
    parent = os.path.dirname(real)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{printable(parent)} cannot be written to; choose another --out")


def staging_name(real: str) -> str:
    """A new name for a folder beside `real` that is not, or no longer, a result."""
    parent, name = os.path.split(real)
    return os.path.join(parent, f".{short_name(name)}.partial-{secrets.token_hex(4)}")


def staging_pattern(name: str) -> re.Pattern[str]:
    """What the staging folders of a result called `name` are called."""
    return re.compile(rf"\.{re.escape(short_name(name))}\.partial-[0-9a-f]{{8}}")


@contextmanager
def stage(out: str) -> Iterator[str]:
    """A staging folder beside `out` that becomes `out` at the end, or vanishes on any error.

    It is closed to other users until then, and holds an empty journal.

    Raises:
        OutputError: if `out` cannot be made, or something was put there in the meantime.
    """
    check_output(out)
    real = os.path.realpath(out)
    staging = staging_name(real)
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        os.mkdir(staging, 0o700)
        try:
            journal = Journal(staging)
            journal.create()
            yield staging
            os.chmod(staging, stat.S_IMODE(os.stat(journal.folder).st_mode))
            transfer.flush_folders(where for where, _, _ in os.walk(staging))
            _rename_into_place(staging, real)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(_explain(error, out)) from error


def _rename_into_place(staging: str, real: str) -> None:
    try:
        os.rename(staging, real)  # POSIX replaces an empty folder, and only an empty one
    except FileExistsError:
        os.rmdir(real)  # Windows replaces none; refuses a folder that is no longer empty
        os.rename(staging, real)


def _explain(error: OSError, out: str) -> str:
    unchanged = "nothing was written and no picture was touched"
    if is_disk_full(error):
        return (
            f"no space left for {printable(out)}; free some or use --action hardlink; {unchanged}"
        )
    return cannot_write(out, error, f"choose another --out; {unchanged}")


def list_generated(root: str) -> list[Write]:
    """What the journal says of the files that the tool made in `root`, a staging folder."""
    paths = {name: os.path.join(root, name) for name in generated_names(root)}
    return [Write(name, os.path.getsize(path), file_digest(path)) for name, path in paths.items()]


def generated_names(root: str) -> list[str]:
    """Where in `root`, a staging folder, those files are."""
    sheets = os.path.join(root, CONTACT_FOLDER)
    inside = sorted(os.listdir(sheets)) if os.path.isdir(sheets) else []
    names = [*GENERATED, MODEL_FILE, LEVELS_FILE, *(f"{CONTACT_FOLDER}/{name}" for name in inside)]
    return [name for name in names if os.path.exists(os.path.join(root, name))]
