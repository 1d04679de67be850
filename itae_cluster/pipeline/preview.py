"""The previews of a result, redrawn, and its centres, if it has none."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from itae_cluster import preview
from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.core.types import NOISE, REJECTED, Placement
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.provenance import matching_encoder, recall_options
from itae_cluster.pipeline.names import asks_for_names, describe_pictures, suggest_again, with_facts
from itae_cluster.preview.build import draw_atlas, lay_out
from itae_cluster.preview.collection import collect
from itae_cluster.results import centres, inventory, levels
from itae_cluster.results.facts import facts_record, read_facts
from itae_cluster.results.manifest import read_suggestions
from itae_cluster.results.plan import CONTACT_FOLDER, LEVELS_FILE, MODEL_FILE

if TYPE_CHECKING:
    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Skipped
    from itae_cluster.preview.collection import Collection
    from itae_cluster.results.inventory import HeldPicture, Inventory

__all__ = ["PreviewResult", "draw_preview"]


@dataclass(frozen=True, kw_only=True)
class PreviewResult:
    """How many pictures the previews are of, and which could not be read."""

    pictures: int
    skipped: tuple[Skipped, ...] = ()


def draw_preview(
    out: str, asked: ModelOptions, run: Run, *, contact_sheets: bool = False
) -> PreviewResult:
    """Draw `preview.html` and `preview.png` from the pictures of a result, on a new map.

    Vectors come from the cache; what it has not kept is embedded again.

    Args:
        out: the result.
        asked: what is said of the model, which must be that of the result.
        run: whom it tells, what it knows already, and perhaps an encoder in place of the model.
        contact_sheets: draw these, too.

    Raises:
        ItaeClusterError: of the stage that failed; the result is as it was then.
    """
    held = inspect_result(out)
    model = held.head["model"]
    options = recall_options(model, asked)
    encoder = matching_encoder(model, options, run.cache, run.reporter, run.encoder)
    shown = {
        os.path.join(held.root, item.destination): item
        for item in held.pictures
        if item.cluster != REJECTED
    }
    paths = list(shown)
    embeddings = embed_files(paths, options, encoder, cache=run.cache, reporter=run.reporter)
    tree = levels.load(held.root)
    places = [_placement(path, shown[path]) for path in embeddings.paths]
    merges = None if tree is None else tree.merges.tolist()
    suggested = suggest_again(held, [item.as_record() for item in held.pictures], run)
    collection = replace(
        collect(embeddings, places, held.head["options"], merges),
        suggested=read_suggestions(suggested),
        rejected=[item.destination for item in held.pictures if item.cluster == REJECTED],
        examples=frozenset(path for path, item in shown.items() if "example" in item.record),
        moved=frozenset(path for path, item in shown.items() if "moved" in item.as_record()),
    )
    collection = _describe(held, collection, options, run)
    made: dict[str, bytes] = {}
    if tree is None:
        collection = collection.with_levels()
        tree = collection.tree(collection.centres())
        made = {} if tree is None else {LEVELS_FILE: levels.content(tree)}
    records = _records(held, collection)
    if records != [item.record for item in held.pictures]:
        made |= inventory.result_documents(
            held, records, held.folders, held.names, suggested=suggested
        )
    contents = made | _documents(collection, run, contact_sheets=contact_sheets)
    if not os.path.lexists(os.path.join(held.root, MODEL_FILE)):
        contents[MODEL_FILE] = centres.content(collection.centres())
    amend(held, Amendment("preview", lambda *_: contents), run.reporter)
    return PreviewResult(pictures=len(embeddings.paths), skipped=embeddings.skipped)


def _placement(path: str, item: HeldPicture) -> Placement:
    leaf, facts = item.record.get("leaf"), read_facts(item.record)
    return Placement(path, item.destination, item.cluster, float("nan"), leaf=leaf, facts=facts)


def _describe(held: Inventory, collection: Collection, model: ModelOptions, run: Run) -> Collection:
    """With what pictures show, where the result does not say so."""
    before = collection.placements
    if not asks_for_names(held) or all(item.facts.tags is not None for item in before):
        return collection
    pictures = None if run.encoder else model
    found = describe_pictures(collection.embeddings, collection.clustering, pictures, run)
    facts = [
        new if item.facts.tags is None and new.tags is not None else item.facts
        for item, new in zip(before, found.facts, strict=True)
    ]
    return replace(collection, placements=with_facts(before, facts))


def _records(held: Inventory, collection: Collection) -> list[dict[str, Any]]:
    """What the manifest is to say of each picture: where a person put it, its leaf, its facts."""
    found = collection.clustering.levels
    paths = collection.embeddings.paths
    leaves = {} if found is None else dict(zip(paths, found.leaves.tolist(), strict=True))
    known = {item.destination: facts_record(item.facts) for item in collection.placements}
    records = []
    for item in held.pictures:
        leaf = leaves.get(os.path.join(held.root, item.destination), NOISE)
        told = {} if leaf == NOISE else {"leaf": leaf}
        records.append(item.as_record() | told | known.get(item.destination, {}))
    return records


def _documents(
    collection: Collection, run: Run, *, contact_sheets: bool
) -> dict[str, bytes | None]:
    data, paths = lay_out(collection, run)
    run.reporter.progress("Drawing the preview", 0, None)
    contents: dict[str, bytes | None] = {
        "preview.png": preview.render_picture(data),
        "preview.html": preview.render_page(data, draw_atlas(data, paths, run.reporter)),
    }
    if contact_sheets:
        for group in preview.list_groups(data):
            place = f"{CONTACT_FOLDER}/{preview.sheet_name(group)}"
            contents[place] = preview.render_contact_sheet(data, group)
    return contents
