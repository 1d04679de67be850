"""Stand-ins that tests share."""

from __future__ import annotations

import numpy as np

from itae_cluster.core.cache import open_cache
from itae_cluster.core.run import Run


class RecordingReporter:
    """A `Reporter` that keeps what it is told."""

    def __init__(self):
        self.stages, self.warnings, self.notes = [], [], []
        self.details, self.skipped = [], []

    def progress(self, stage, done, total, unit=""):
        self.stages.append((stage, done, total))

    def warn(self, message):
        self.warnings.append(message)

    def note(self, message):
        self.notes.append(message)

    def info(self, message):
        self.details.append(message)

    def skip(self, skipped):
        self.skipped.append(skipped)


def a_run(reporter=None, caching=None, encoder=None):
    """A `Run` that tells nobody and keeps nothing, but for what is given."""
    reporter = reporter or RecordingReporter()
    return Run(reporter=reporter, cache=open_cache(caching, reporter), encoder=encoder)


class MeanColourEncoder:
    """An `Encoder` without a model: the embedding is the picture's mean colour."""

    dim = 4
    size = 28
    metadata = {"name": "mean colour", "theta": None, "size": 28, "dim": 4}  # noqa: RUF012

    def __init__(self):
        self.batches = []

    def encode(self, pixels):
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (28, 28, 3)
        self.batches.append(len(pixels))
        colours = pixels.reshape(len(pixels), -1, 3).mean(axis=1) / 255
        vectors = np.concatenate([colours, np.full((len(pixels), 1), 0.1)], axis=1)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


RECIPE = {
    "weights_sha256": "ab",
    "theta": None,
    "size": 28,
    "precision": "float32",
    "dim": 4,
    "preprocessing": 2,
}


class KnownEncoder(MeanColourEncoder):
    """Its vectors may be kept: its weights have a digest."""

    metadata = {**MeanColourEncoder.metadata, **RECIPE}  # noqa: RUF012
