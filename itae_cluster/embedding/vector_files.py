"""Embeddings on disk, for people who bring their own clusterer; never with pickle.

By suffix: `.npz` (arrays `paths`, `embeddings`, `metadata`), `.parquet` (needs pyarrow), or
`.npy` with the paths beside it in `.txt` (one a line, escaped as in `--format tsv`) and the
metadata in `.json`.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.files import atomic_path, check_new, explain_write_errors
from itae_cluster.core.text import is_text, printable, to_tsv
from itae_cluster.core.types import Embeddings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["SUFFIXES", "check_target", "load", "save", "unit_rows"]

SUFFIXES = (".npz", ".parquet", ".npy")

_ESCAPES = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r"}
_FIRST_PREPROCESSING = 2  # that of encoders which did not yet say so


def check_target(path: str) -> None:
    """Raise before any work where `save` could not write `path` in the end.

    Raises:
        UsageError: if the suffix is none of `SUFFIXES`.
        OutputError: if a file is there already, or its folder is not.
    """
    _suffix(path)
    for file in _files(path):
        check_new(file)
    if _suffix(path) == ".parquet":
        _pyarrow()


def save(path: str, embeddings: Embeddings, metadata: dict[str, Any]) -> None:
    """Write paths, vectors and metadata; the file appears complete or not at all.

    Raises:
        UsageError: if the suffix is none of `SUFFIXES`.
        OutputError: if it cannot be written.
    """
    check_target(path)
    writers = {".npz": _save_npz, ".parquet": _save_parquet, ".npy": _save_npy}
    with explain_write_errors(path):
        writers[_suffix(path)](path, embeddings, to_json(metadata))


def load(path: str) -> Embeddings:
    """Read what `save` wrote, whatever of the three kinds.

    Raises:
        UsageError: if the suffix is none of `SUFFIXES`.
        InputError: if the file is missing, damaged or holds something else.
    """
    loaders = {".npz": _load_npz, ".parquet": _load_parquet, ".npy": _load_npy}
    loader = loaders[_suffix(path)]
    try:
        paths, vectors, metadata = loader(path)
        model = json.loads(metadata)["model"]
        if "weights_sha256" in model:
            model.setdefault("preprocessing", _FIRST_PREPROCESSING)
        return Embeddings(tuple(paths), _normalise(vectors, len(paths)), model)
    except FileNotFoundError as error:
        missing = printable(os.fsdecode(error.filename or path))
        raise InputError(f"{missing} is missing; make it with 'itae-cluster embed'") from error
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(
            f"{printable(path)} holds no embeddings that can be read ({error}); "
            "make it again with 'itae-cluster embed'"
        ) from error


def unit_rows(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors brought to length 1.

    Args:
        vectors: (n, D) numbers, n at least 1.

    Raises:
        ValueError: if that cannot be done.
    """
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise ValueError(f"vectors of shape {vectors.shape}: not (n, D) finite numbers")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("a row of zeros, which has no direction")
    return np.ascontiguousarray(vectors / lengths, dtype=np.float32)


def _normalise(vectors: NDArray[Any], n: int) -> NDArray[np.float32]:
    """`unit_rows`; a `ValueError` where they are no embeddings of `n` pictures."""
    if len(vectors) != n or vectors.dtype.kind != "f":
        raise ValueError(f"expected ({n}, D) floats, found {vectors.shape} {vectors.dtype}")
    return unit_rows(vectors)


def _suffix(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        known = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise UsageError(f"{printable(path)}: name a file that ends in {known}")
    return suffix


def _files(path: str) -> list[str]:
    stem = os.path.splitext(path)[0]
    return [path, f"{stem}.txt", f"{stem}.json"] if _suffix(path) == ".npy" else [path]


def _save_npz(path: str, embeddings: Embeddings, metadata: str) -> None:
    with atomic_path(path) as part, open(part, "xb") as file:
        np.savez(
            file,
            paths=np.array(embeddings.paths, dtype=np.str_),
            embeddings=embeddings.vectors,
            metadata=np.array(metadata),
        )


def _load_npz(path: str) -> tuple[list[str], NDArray[Any], str]:
    with open(path, "rb") as file:  # numpy leaves it open where it is damaged
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("a single array")
        return arrays["paths"].tolist(), arrays["embeddings"], str(arrays["metadata"])


def _save_npy(path: str, embeddings: Embeddings, metadata: str) -> None:
    array, names, about = _files(path)
    lines = b"".join(to_tsv(name) + b"\n" for name in embeddings.paths)
    writes: list[tuple[str, Callable[[Any], object]]] = [
        (names, lambda file: file.write(lines)),
        (about, lambda file: file.write(metadata.encode("ascii") + b"\n")),
        (array, lambda file: np.save(file, embeddings.vectors)),
    ]
    for target, write in writes:
        with atomic_path(target) as part, open(part, "xb") as file:
            write(file)


def _load_npy(path: str) -> tuple[list[str], NDArray[Any], str]:
    array, names, about = _files(path)
    with open(names, "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    with open(about, encoding="ascii") as file:
        metadata = file.read()
    return [_unescape(line) for line in lines], np.load(array, allow_pickle=False), metadata


def _unescape(line: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\[\\tnr]", lambda match: _ESCAPES[match.group()], line))


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'itae-cluster[parquet]', or name an .npz file"
        ) from None
    return pyarrow


def _save_parquet(path: str, embeddings: Embeddings, metadata: str) -> None:
    pyarrow = _pyarrow()
    dim = embeddings.vectors.shape[1]
    flat = pyarrow.array(embeddings.vectors.ravel())
    names = [name if is_text(name) else printable(name) for name in embeddings.paths]
    table = pyarrow.table(
        {
            "path": pyarrow.array(names),
            "path_bytes": pyarrow.array([os.fsencode(name) for name in embeddings.paths]),
            "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, dim),
        }
    ).replace_schema_metadata({"itae-cluster": metadata})
    with atomic_path(path) as part:
        pyarrow.parquet.write_table(table, part)


def _load_parquet(path: str) -> tuple[list[str], NDArray[Any], str]:
    pyarrow = _pyarrow()
    table = pyarrow.parquet.read_table(path)
    column = table["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(table), -1)
    paths = [os.fsdecode(raw) for raw in table["path_bytes"].to_pylist()]
    return paths, vectors, (table.schema.metadata or {})[b"itae-cluster"].decode("ascii")
