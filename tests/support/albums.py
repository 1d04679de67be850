"""A sorted album, as `update`, `merge` and `split` find it; single pictures of one colour."""

from __future__ import annotations

import json
import os

import numpy as np
from PIL import Image

from itae_cluster.changes.undo import undo_result
from itae_cluster.core.options import (
    Action,
    CacheOptions,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
    Reduction,
)
from itae_cluster.pipeline import sort_pictures
from itae_cluster.pipeline.update import update_result
from support.fakes import MeanColourEncoder, RecordingReporter, a_run
from support.results import snapshot

JOURNAL = ".itae-cluster/journal.jsonl"


def without_journal(out):
    return {name: what for name, what in snapshot(out).items() if name != JOURNAL}


def picture(path, colour, seed=7, spread=5):
    rng = np.random.default_rng(seed)
    pixels = np.array(colour) + rng.integers(-spread, spread + 1, size=(40, 30, 3))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return str(path)


class Sorted:
    """The album in three clusters, in `out`; `label[colour]` is the cluster of a colour."""

    encoder = MeanColourEncoder
    caching = CacheOptions(off=True)
    contact_sheets = False
    preview = False

    def __init__(self, album, root, action="copy", k=3):
        self.album, self.root, self.out = album, root, root / "sorted"
        sort_pictures(
            InputOptions((album,)),
            ModelOptions(size=28),
            ClusterOptions(k=k, reduce=Reduction.NONE),
            OutputOptions(
                str(self.out),
                Action(action),
                contact_sheets=self.contact_sheets,
                preview=self.preview,
            ),
            a_run(caching=self.caching, encoder=self.encoder()),
        )
        self.folder = {}
        for record in self.manifest()["pictures"]:
            colour = os.path.basename(os.path.dirname(record["source"]))
            self.folder[colour] = os.path.dirname(record["destination"])

    def manifest(self):
        return json.loads((self.out / "manifest.json").read_text(encoding="ascii"))

    def update(
        self,
        *paths,
        encoder=None,
        action="copy",
        dry_run=False,
        caching=None,
        reporter=None,
        **model,
    ):
        return update_result(
            InputOptions(tuple(map(str, paths))),
            ModelOptions(**model),
            OutputOptions(str(self.out), Action(action), dry_run),
            a_run(reporter, caching or self.caching, encoder or self.encoder()),
        )

    def undo(self):
        return undo_result(str(self.out), RecordingReporter())
