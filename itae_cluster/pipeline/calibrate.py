"""Finding θ: measure a sample of pictures, decide, and sweep if asked to."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.algorithms import check_k
from itae_cluster.core.documents import run_metadata, skipped_record
from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.options import input_options
from itae_cluster.embedding.deferred import load_float32_encoder
from itae_cluster.model import thresholds
from itae_cluster.paper import calibrate
from itae_cluster.paper.labels import check_classes, folder_labels
from itae_cluster.paper.sweep import ClusterScores, SweepPoint, score_clusters
from itae_cluster.pictures.scan import find_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.options import CalibrationOptions, InputOptions, ModelOptions
    from itae_cluster.core.types import Reporter
    from itae_cluster.model.itae import Rule
    from itae_cluster.paper.bimodality import Finding

__all__ = ["Calibration", "draw", "forget_theta", "run_calibration", "save_theta"]

SCHEMA = "itae-cluster/calibration"
SCHEMA_VERSION = 1
_BINS = 64
_MOST_CLUSTERS = 20


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was found. `theta` is the recommendation, None for off; `published` the registry's."""

    model: Mapping[str, Any]
    options: Mapping[str, Any]
    sample: calibrate.NormSample
    finding: Finding
    theta: float | None
    published: float | None
    rule: Rule
    sweep: tuple[SweepPoint, ...]

    def attenuated_share(self, theta: float | None) -> calibrate.AttenuatedShare:
        """What a θ would do to the sample."""
        return calibrate.attenuated_share(self.sample.measures, theta, self.rule)

    def document(self) -> dict[str, Any]:
        """The whole finding, for `--json`."""
        norms, registers = self.sample.measures.query_norms[:, 1:], self.sample.measures.registers
        edges = np.histogram_bin_edges(norms, bins=_BINS)
        return {
            **run_metadata(SCHEMA, SCHEMA_VERSION, self.model, self.options),
            "pictures": len(self.sample.paths),
            "tokens": int(norms.size),
            "theta": self.theta,
            "touched": asdict(self.attenuated_share(self.theta)),
            "published_theta": self.published,
            "published_touched": asdict(self.attenuated_share(self.published)),
            "finding": asdict(self.finding),
            "histogram": {
                "edges": [round(float(edge), 5) for edge in edges],
                "patches": np.histogram(norms[:, registers:], edges)[0].tolist(),
                "registers": np.histogram(norms[:, :registers], edges)[0].tolist(),
            },
            "sweep": [asdict(point) for point in self.sweep],
            "skipped": [skipped_record(item) for item in self.sample.skipped],
        }


def run_calibration(
    inputs: InputOptions, model: ModelOptions, options: CalibrationOptions, reporter: Reporter
) -> Calibration:
    """Measure a random sample of the pictures and look for θ.

    Args:
        inputs: which pictures.
        model: which model; its θ does not matter.
        options: size of the sample, sweep and rule.
        reporter: told of progress and skips.

    Raises:
        InputError: if there is no picture, or a labelled sweep lacks labels.
        ModelError: if the model cannot be had, or gives norms that are not finite.
    """
    pictures = find_pictures(inputs, None, reporter)
    files = calibrate.draw_sample(pictures.files, options.sample, options.seed)
    if options.labels:
        _labels(inputs, files)  # before the slow pass
    encoder = load_float32_encoder(replace(model, theta=None), reporter)
    from itae_cluster.model.itae import Settings

    settings = [Settings(theta, rule=options.rule) for theta in options.thetas]
    sample = calibrate.collect(
        files, encoder, settings, batch_size=model.small_batch, reporter=reporter
    )
    reporter.progress("Looking for a valley", 0, None)
    theta, finding = calibrate.recommend(sample.measures)
    return Calibration(
        model=encoder.metadata,
        options={**input_options(inputs), "model": model.record(), "calibration": asdict(options)},
        sample=replace(sample, skipped=pictures.skipped + sample.skipped),
        finding=finding,
        theta=theta,
        published=encoder.metadata.get("published_theta"),
        rule=options.rule,
        sweep=_sweep(inputs, sample, options, reporter),
    )


def _labels(inputs: InputOptions, files: Sequence[str]) -> list[str]:
    if len(inputs.paths) != 1 or inputs.listed or not os.path.isdir(inputs.paths[0]):
        raise UsageError("--labels takes one folder, whose subfolders are the classes")
    labels = folder_labels(inputs.paths[0], files)
    known = [label for label in labels if label is not None]
    if len(known) < len(labels):
        raise InputError(
            f"{len(labels) - len(known)} pictures lie in no subfolder and have no label; "
            "leave them out with --exclude, or leave out --labels"
        )
    check_classes(known, inputs.paths[0])
    return known


def _sweep(
    inputs: InputOptions,
    sample: calibrate.NormSample,
    options: CalibrationOptions,
    reporter: Reporter,
) -> tuple[SweepPoint, ...]:
    if not options.thetas:
        return ()
    n = len(sample.paths)
    truth = _labels(inputs, sample.paths) if options.labels else None
    k = options.k or (len(set(truth)) if truth else max(1, min(_MOST_CLUSTERS, n // 5)))
    check_k(k, n)
    points: list[SweepPoint] = []
    judged: dict[bytes, ClusterScores] = {}  # the same artifacts make the same embeddings
    for theta, vectors in zip(options.thetas, sample.vectors, strict=True):
        reporter.progress("Clustering for each theta", len(points), len(options.thetas))
        mask = calibrate.mark_artifacts(sample.measures.query_norms, theta, options.rule)
        key = np.packbits(mask).tobytes()
        if key not in judged:
            judged[key] = score_clusters(vectors, k, truth=truth, seed=options.seed)
        points.append(_point(theta, calibrate.masked_share(mask), judged[key]))
    return tuple(points)


def _point(theta: float, share: calibrate.AttenuatedShare, scores: ClusterScores) -> SweepPoint:
    return SweepPoint(
        theta=theta,
        share=share.tokens,
        pictures=share.pictures,
        silhouette=scores.silhouette,
        stability=scores.stability,
        **(asdict(scores.labelled) if scores.labelled else {}),
    )


def draw(calibration: Calibration, target: str) -> None:
    """Fig. 5 where there is a sweep, else Fig. 2 and 3; `.png` or `.svg`.

    Raises:
        UsageError: if the suffix is another one.
        OutputError: if the file exists or cannot be written.
    """
    from itae_cluster.paper.figures import TokenSample, draw_norms, draw_sweep

    title = f"{calibration.model['name']}, {len(calibration.sample.paths)} pictures"
    if calibration.sweep:
        draw_sweep(target, calibration.sweep, title)
        return
    measures, first = calibration.sample.measures, 1 + calibration.sample.measures.registers
    theta = calibration.theta if calibration.theta is not None else calibration.published
    mask = np.zeros(measures.query_norms.shape, dtype=bool)
    if theta is not None:
        mask = calibrate.mark_artifacts(measures.query_norms, theta, calibration.rule)
    normal = ~mask
    normal[:, 0] = False
    tokens = TokenSample(
        query_norms=measures.query_norms[:, first:].ravel(),
        output_norms=measures.output_norms[:, first:].ravel(),
        register_query_norms=measures.query_norms[:, 1:first].ravel(),
        register_output_norms=measures.output_norms[:, 1:first].ravel(),
        attention_artifacts=measures.attention[mask],
        attention_normal=measures.attention[normal],
    )
    draw_norms(target, tokens, theta=theta, valley=calibration.finding.valley, title=title)


def save_theta(calibration: Calibration) -> str:
    """Keep the recommendation for these weights; `--theta auto` takes it from now on.

    Returns:
        The file it is kept in.
    """
    kept = thresholds.SavedTheta(calibration.theta, len(calibration.sample.paths))
    thresholds.save(calibration.model["weights_sha256"], kept)
    return thresholds.path()


def forget_theta(model: ModelOptions, reporter: Reporter) -> bool:
    """Drop what was saved for the weights that `model` names; whether there was anything.

    Raises:
        ModelError: if the weights are not here.
    """
    from itae_cluster.model.acquire import locate

    located = locate(model.model, weights=model.weights, offline=True, reporter=reporter)
    return thresholds.forget(located.sha256)
