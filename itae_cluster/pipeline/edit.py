"""Changes that a person wants, carried out as one: pictures moved, clusters remade."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import path_of
from itae_cluster.core.errors import ItaeClusterError, ResultError
from itae_cluster.core.text import printable
from itae_cluster.pipeline.drafts import carry_out, open_draft
from itae_cluster.pipeline.regroup import SplitOptions, recut, take_apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.run import Run
    from itae_cluster.pipeline.drafts import ChangeResult
    from itae_cluster.results.changes import Changes
    from itae_cluster.results.draft import Draft

__all__ = ["edit_result", "move_pictures"]


def edit_result(
    out: str, changes: Changes, asked: ModelOptions, run: Run, *, dry_run: bool = False
) -> ChangeResult:
    """Carry out what `changes.json` says, all of it or nothing.

    Args:
        out: the result.
        changes: as `results.changes.read_changes` read them.
        asked: what is said of the model, which must be that of the result; only `split` needs it.
        run: whom it tells, what it knows already, and perhaps an encoder in place of the model.
        dry_run: change nothing.

    Raises:
        ResultError: if the result is not what the page showed, or lacks what is named.
        ItaeClusterError: of the change that failed; the result is as it was then.
    """
    draft = open_draft(out)
    if changes.result is not None and not draft.is_of(changes.result):
        raise ResultError(
            f"{printable(out)} has changed since these changes were made; open its preview.html "
            "and make them again"
        )
    if changes.result is not None and "regroup" in changes.wanted[0] and draft.has_new_folders():
        raise ResultError(
            f"{printable(out)} has a folder that its page does not know, so new clusters would get "
            f"other numbers; run 'itae-cluster preview {printable(out)}' and make the changes again"
        )
    tree = None
    for number, change in enumerate(changes.wanted, start=1):
        try:
            if "regroup" in change:
                tree = recut(draft, int(change["regroup"]), run)
            elif "rename" in change:
                leaving = _find_leaving(draft, changes.wanted[number:])
                draft.rename(draft.label_of(change["rename"]), change["name"], leaving)
            else:
                _apply(draft, change, asked, run)
        except ItaeClusterError as error:
            raise type(error)(f"change {number}: {error}") from error
    there = sorted({record["cluster"] for record in draft.records})
    return carry_out(draft, "edit", run, concerned=there, tree=tree, dry_run=dry_run)


def _find_leaving(draft: Draft, later: Sequence[Mapping[str, Any]]) -> set[int]:
    """The clusters that the renames which follow at once give other names."""
    leaving: set[int] = set()
    for change in itertools.takewhile(lambda change: "rename" in change, later):
        with contextlib.suppress(ResultError):  # of one that has no such name yet
            leaving.add(draft.label_of(change["rename"]))
    return leaving


def _apply(draft: Draft, change: Mapping[str, Any], asked: ModelOptions, run: Run) -> None:
    if "move" in change:
        rows = draft.rows_of(change["move"])
        draft.move(rows, draft.target(change["to"]))
    elif "reject" in change:
        draft.reject(draft.rows_of(change["reject"]))
    elif "example" in change:
        draft.mark(draft.rows_of(change["example"]))
    elif "merge" in change:
        draft.merge([draft.label_of(name) for name in change["merge"]], change.get("name"))
    else:
        options = SplitOptions(k=int(change["k"]))
        take_apart(draft, draft.label_of(change["split"]), options, asked, run)


def move_pictures(
    out: str, folder: str, files: Sequence[str], run: Run, *, dry_run: bool = False
) -> ChangeResult:
    """Move pictures of a result to one of its clusters, or to a new one.

    Args:
        out: the result.
        folder: the cluster; `rejected` for those that nobody wants.
        files: each a place in the result, a path of it, or that of its original.
        run: whom it tells, and what it knows already.
        dry_run: change nothing.

    Raises:
        ResultError: if there is no such picture, or the name is taken.
        UsageError: if a picture is named twice, or the name is none.
        OutputError: if it cannot be done; everything is as it was.
    """
    draft = open_draft(out)
    sources = {path_of(item, "source"): path_of(item, "destination") for item in draft.records}
    places = [_find_place(file, draft, sources) for file in files]
    label = draft.target(folder)
    draft.move(draft.rows_of(places), label)
    return carry_out(draft, "move", run, concerned=[label], dry_run=dry_run)


def _find_place(file: str, draft: Draft, sources: Mapping[str, str]) -> str:
    """The place in the result of a picture that is named in any of three ways."""
    path = os.path.abspath(file)
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    inside = os.path.relpath(real, draft.held.root).replace(os.sep, "/")
    for place in (inside, sources.get(path)):
        if place is not None and draft.has(place):
            return place
    return file
