"""Names for the clusters of a result: its folders, manifest and table follow.

Folders are renamed one by one, each in one step of the file system; the journal is told first, so
that `undo` finds every picture. What was interrupted is finished by asking for the same names
again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import stat
import unicodedata
from typing import TYPE_CHECKING, Any

from itae_cluster import confined, manifest, transfer
from itae_cluster.appearing import appearing
from itae_cluster.errors import InputError, JournalError
from itae_cluster.journal import FOLDER, Journal, Write
from itae_cluster.names import folded, printable
from itae_cluster.plan import CONTACT_FOLDER, GENERATED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itae_cluster.journal import Transaction

__all__ = ["check_name", "read_names", "rename_clusters"]

_SCHEMA = "itae-cluster/names"
_MOST = 100  # characters of a name
_RESERVED = {folded(_name) for _name in (*GENERATED, CONTACT_FOLDER, FOLDER)}
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}


def read_names(path: str) -> dict[str, str]:
    """Folder → name, of a file that `preview.html` saved (docs/names.schema.json).

    Raises:
        InputError: if it cannot be read, or is no such file.
    """
    shown = printable(path)
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if document["schema"] != _SCHEMA or document["schema_version"] != 1:
            raise ValueError("another schema")
        names = {entry["folder"]: entry["name"] for entry in document["clusters"]}
        if not all(isinstance(word, str) for pair in names.items() for word in pair):
            raise TypeError("a name that is no text")
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{shown} is no list of names ({error}); save one with preview.html, or give "
            "FOLDER=NAME"
        ) from error
    return names


def check_name(name: str) -> None:
    """Raise where a folder of that name would be trouble on some common system.

    Raises:
        InputError: saying what is wrong with it.
    """
    wrong = _fault(name)
    if wrong:
        raise InputError(f"the name {printable(name)!r} {wrong}; choose another")


def _fault(name: str) -> str:
    if not 1 <= len(name) <= _MOST or len(os.fsencode(name)) > 255:
        return f"is empty or longer than {_MOST} characters"
    if any(char in '/\\:*?"<>|' or unicodedata.category(char)[0] == "C" for char in name):
        return 'holds one of / \\ : * ? " < > | or a control character'
    if name[0] in ". " or name[-1] in ". ":
        return "begins or ends with a dot or a space"
    if folded(name) in _RESERVED:
        return "is that of a file the tool makes"
    if folded(name).partition(".")[0] in _DEVICES:
        return "is that of a device on Windows"
    return ""


def rename_clusters(root: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """Rename folders of the result `root`, and tell journal, manifest and table.

    Args:
        root: the real path of OUT; nobody else may be at work there.
        wanted: folder → name.

    Returns:
        What was renamed, without folders that bore the name already.

    Raises:
        InputError: if a name cannot be used or a folder is not there; nothing was changed then.
        JournalError: if there is no journal that can be followed, or an earlier change is not
            finished.
        OSError: if the disk fails; asking again finishes it.
    """
    transaction = _finished(root)
    names = {old: unicodedata.normalize("NFC", new) for old, new in wanted.items()}
    changed = {
        old: new for old, new in names.items() if old != new and not _is_done(root, old, new)
    }
    _check(root, changed)
    journal = Journal(root)
    journal.relocate(
        transaction.id,
        {
            number: f"{changed[folder]}/{rest}"
            for number, step in enumerate(transaction.steps)
            for folder, _, rest in [step.destination.partition("/")]
            if rest and folder in changed
        },
    )
    for old, new in changed.items():
        os.rename(os.path.join(root, old), os.path.join(root, new))
    transfer.flush_folders([root])
    _follow(root, names, transaction, journal)
    return changed


def _finished(root: str) -> Transaction:
    """The one that made the result, where it is complete."""
    transactions = Journal(root).read()
    open_ones = [item for item in transactions if "done" not in item.marks or "undo" in item.marks]
    if not transactions or open_ones:
        raise JournalError(
            f"an earlier change of {printable(root)} is not finished; finish it with "
            "'itae-cluster apply --resume', or take it back with 'itae-cluster undo'"
        )
    return transactions[-1]


def _is_done(root: str, old: str, new: str) -> bool:
    """Whether an interrupted run got as far as renaming this one."""
    return not os.path.lexists(os.path.join(root, old)) and os.path.isdir(os.path.join(root, new))


def _check(root: str, changed: Mapping[str, str]) -> None:
    present = {folded(name) for name in os.listdir(root)}
    new_names: set[str] = set()
    for old, new in changed.items():
        shown = printable(old)
        path = os.path.join(root, old)
        known = confined.is_inside(old) and "/" not in old and os.path.lexists(path)
        if not known or folded(old) in _RESERVED:
            raise InputError(f"{shown} is no folder of the result; see the folders in it")
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise InputError(f"{shown} is a link or a file, no folder; leave it out")
        check_name(new)
        if folded(new) in new_names or (folded(new) in present and folded(new) != folded(old)):
            raise InputError(f"there is a {printable(new)} already; choose another name")
        new_names.add(folded(new))


# Manifest and table --------------------------------------------------------------------------


def _follow(
    root: str, names: Mapping[str, str], transaction: Transaction, journal: Journal
) -> None:
    """Put the new names into the documents that are still as the journal knows them."""
    rewriters: dict[str, Callable[[bytes, Mapping[str, str]], bytes]] = {
        "manifest.json": _rewritten_manifest,
        "clusters.csv": _rewritten_table,
    }
    written = []
    for step in transaction.taken():
        if not isinstance(step, Write) or step.destination not in rewriters:
            continue
        path = os.path.join(root, step.destination)
        content = _content(path)
        if _sha256(content) != step.sha256:
            continue  # a person's own now
        content = rewriters[step.destination](content, names)
        with appearing(path) as part:
            with open(part, "xb") as file:
                file.write(content)
            transfer.flush(part)
        written.append(Write(step.destination, len(content), _sha256(content)))
    journal.add_steps(transaction.id, written)


def _content(path: str) -> bytes:
    """What the file holds; nothing where it has gone or is no file."""
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _rewritten_manifest(content: bytes, names: Mapping[str, str]) -> bytes:
    document: dict[str, Any] = json.loads(content)
    numbers: dict[int, str] = {}
    for record in document["pictures"]:
        for part in (record, *record.get("sidecars", ())):
            if part.get("destination") is not None:
                folder, _, rest = manifest.path_of(part, "destination").partition("/")
                part |= manifest.named("destination", f"{names.get(folder, folder)}/{rest}")
                if folder in names and part is record:
                    numbers[record["cluster"]] = names[folder]
    for cluster in document["clusters"]:
        if cluster["cluster"] in numbers:
            cluster["name"] = numbers[cluster["cluster"]]
    return (manifest.to_json(document, indent=2) + "\n").encode("ascii")


def _rewritten_table(content: bytes, names: Mapping[str, str]) -> bytes:
    text = content.decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    column = rows[0].index("destination")
    out = io.StringIO(newline="")
    for row in rows:
        folder, slash, rest = row[column].partition("/")
        row[column] = names.get(folder, folder) + slash + rest
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogateescape")
