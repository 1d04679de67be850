"""The finished bytes of a preview to their file."""

from __future__ import annotations

from itae_cluster.errors import OutputError
from itae_cluster.names import printable

__all__ = ["save"]


def save(content: bytes, path: str) -> None:
    """Write the file.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"cannot write {printable(path)}: {reason}; choose a folder you may write to"
        ) from error
