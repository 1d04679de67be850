"""What an evaluation is asked for and what it found, as records, JSON and CSV."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from itae_cluster.core.documents import run_metadata, skipped_record
from itae_cluster.core.errors import UsageError
from itae_cluster.core.files import explain_write_errors
from itae_cluster.core.options import Algorithm, ClusterOptions, Reduction
from itae_cluster.paper import tables
from itae_cluster.paper.protocol import METRICS, Comparison, Estimate, compare, estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Skipped
    from itae_cluster.paper.scores import Scores

__all__ = [
    "ITAE",
    "KNN",
    "ORIGINAL",
    "EvalOptions",
    "Evaluation",
    "ModelScores",
    "PaperRow",
    "ScoredVariant",
    "write_csv",
]

ORIGINAL = "original"
ITAE = "ITAE"
KNN = "knn"

_SCHEMA = "itae-cluster/evaluation"
_SCHEMA_VERSION = 1
_RECIPE = ClusterOptions(reduce=Reduction.NONE)  # the paper's
_CSV_HEAD = (
    "model",
    "variant",
    "theta",
    "metric",
    "mean",
    "standard_error",
    "difference",
    "difference_standard_error",
    "p",
)


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """What is judged, and how.

    `folder` or `torchvision` (a dataset class, with `root`) holds the pictures; `clustering` is the
    recipe, in which `k` None means one cluster a class; `train` or a dataset's training part are
    the neighbours of `knn`; `paper` names a dataset of its tables.

    Raises:
        UsageError: if options contradict each other or a number is out of its range.
    """

    folder: str | None = None
    torchvision: str | None = None
    root: str | None = None
    excludes: tuple[str, ...] = ()
    sets: int = tables.SETS
    runs: int = tables.RUNS
    clustering: ClusterOptions = _RECIPE
    knn: int | None = None
    train: str | None = None
    paper: str | None = None

    def __post_init__(self) -> None:
        self._check_source()
        if self.sets < 1 or self.runs < 1:
            raise UsageError(f"--runs {self.sets}x{self.runs}: both numbers must be 1 or more")
        self._check_paper()
        if self.knn is not None and self.knn < 1:
            raise UsageError(f"--knn {self.knn} must be 1 or more")
        if self.knn is not None and self.train is None and self.torchvision is None:
            raise UsageError("--knn needs labelled pictures to learn from; add --train DIR")

    def _check_source(self) -> None:
        if (self.folder is None) == (self.torchvision is None):
            raise UsageError("name one LABELLED_DIR, or give --torchvision NAME with --root DIR")
        if (self.torchvision is None) != (self.root is None):
            raise UsageError("--torchvision NAME and --root DIR belong together; give both")
        if self.torchvision and (self.train is not None or self.excludes):
            raise UsageError(
                "--torchvision brings its own training part and no file names; leave out --train "
                "and --exclude"
            )

    def _check_paper(self) -> None:
        if self.paper is not None and not self.is_protocol:
            raise UsageError(
                "the paper clusters with K-Means and reduces nothing; leave out --paper, or "
                "--algorithm and --reduce"
            )
        if self.paper is not None and self.paper not in tables.DATASETS:
            known = ", ".join(tables.DATASETS)
            raise UsageError(f"the paper has no dataset '{self.paper}'; choose one of {known}")

    @property
    def is_protocol(self) -> bool:
        """Whether pictures are clustered as in the paper: K-Means on embeddings."""
        recipe = self.clustering
        return recipe.is_kmeans and recipe.reduce is Reduction.NONE

    def recipe(self, classes: int) -> ClusterOptions:
        """The recipe, with as many clusters as classes where nothing else is asked for."""
        if self.clustering.algorithm is Algorithm.HDBSCAN:
            return self.clustering
        return replace(self.clustering, k=self.clustering.k or classes)

    @property
    def neighbours(self) -> int | None:
        """K of the k-NN classification, None where there is none."""
        return tables.NEIGHBOURS if self.knn is None and self.train is not None else self.knn

    def record(self) -> dict[str, Any]:
        """As the document has it: the recipe's options beside the others."""
        own = asdict(self)
        del own["clustering"]
        return {**own, **asdict(self.clustering)}


@dataclass(frozen=True)
class ScoredVariant:
    """A model with or without ITAE: one `Scores` a set, and the k-NN accuracy, all as ratios."""

    name: str
    theta: float | None
    sets: tuple[Scores, ...]
    knn: float | None = None

    def values(self, metric: str) -> list[float]:
        """The mean of a metric over the runs of each set, one a set."""
        return [float(getattr(scores, metric)) for scores in self.sets]

    def estimate(self, metric: str) -> Estimate | None:
        """Mean and standard error of a metric; None for a k-NN that was not asked for."""
        if metric == KNN:
            return None if self.knn is None else Estimate(self.knn, None)
        return estimate(self.values(metric))


@dataclass(frozen=True)
class ModelScores:
    """One model: its metadata, and `original` with, where θ is on, `ITAE` beside it."""

    model: Mapping[str, Any]
    variants: tuple[ScoredVariant, ...]

    @property
    def name(self) -> str:
        """What `--model` calls it; "custom" for weights of one's own."""
        return str(self.model.get("name"))

    def compare(self, metric: str) -> Comparison | None:
        """ITAE − original; None where there is only one variant, or no such metric."""
        if len(self.variants) < 2:
            return None
        before, after = self.variants
        if metric != KNN:
            return compare(before.values(metric), after.values(metric))
        if before.knn is None or after.knn is None:
            return None
        return Comparison(Estimate(after.knn - before.knn, None), None)


@dataclass(frozen=True)
class PaperRow:
    """A cell of the paper, in per cent, with ours beside it (None: not run) and the verdict."""

    cell: tables.Cell
    ours: Estimate | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The whole finding. `k` is None where the algorithm finds the number of clusters itself."""

    data: str
    pictures: int
    classes: int
    k: int | None
    models: tuple[ModelScores, ...]
    skipped: tuple[Skipped, ...]
    options: EvalOptions
    model_options: tuple[ModelOptions, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """ACC, ARI, NMI, and the k-NN accuracy where it was asked for."""
        return (*METRICS, KNN) if self.options.neighbours else METRICS

    def paper_rows(self) -> tuple[PaperRow, ...]:
        """Every cell of the paper on the dataset that the options name."""
        if self.options.paper is None:
            return ()
        return tuple(self._paper_row(cell) for cell in tables.find(self.options.paper))

    def _paper_row(self, cell: tables.Cell) -> PaperRow:
        run = next((judged for judged in self.models if judged.name == cell.model), None)
        if run is None:
            return PaperRow(cell, None, "no weights here")
        variant = next((v for v in run.variants if (v.name == ITAE) == cell.itae), None)
        found = variant.estimate(cell.metric) if variant else None
        if variant is None or found is None:
            return PaperRow(cell, None, "not run")
        ours = _percent(found)
        if cell.itae and variant.theta != _find_published_theta(cell.model):
            return PaperRow(cell, ours, "another theta")
        return PaperRow(cell, ours, tables.mark(cell, ours.mean, ours.error))

    def document(self) -> dict[str, Any]:
        """Everything, as JSON has it. Scores are ratios; the paper's rows are in per cent."""
        options = {
            **self.options.record(),
            "models": [each.record() for each in self.model_options],
        }
        metadata = run_metadata(_SCHEMA, _SCHEMA_VERSION, {}, options)
        del metadata["model"]
        return {
            **metadata,
            "data": self.data,
            "pictures": self.pictures,
            "classes": self.classes,
            "k": self.k,
            "test": "paired t-test over sets, two-sided (Student 1908)",
            "models": [_model_document(judged, self.metrics) for judged in self.models],
            "paper": [_paper_document(row) for row in self.paper_rows()],
            "skipped": [skipped_record(item) for item in self.skipped],
        }


def _percent(found: Estimate) -> Estimate:
    return Estimate(100 * found.mean, None if found.error is None else 100 * found.error)


def _find_published_theta(model: str) -> float | None:
    from itae_cluster.model.registry import variant

    return variant(model).theta


def _model_document(judged: ModelScores, metrics: Sequence[str]) -> dict[str, Any]:
    comparisons = {metric: judged.compare(metric) for metric in metrics}
    return {
        "model": dict(judged.model),
        "variants": [
            {
                "name": variant.name,
                "theta": variant.theta,
                "metrics": {
                    metric: {
                        **_estimate_document(variant.estimate(metric)),
                        "sets": None if metric == KNN else variant.values(metric),
                    }
                    for metric in metrics
                },
            }
            for variant in judged.variants
        ],
        "difference": {
            metric: {**_estimate_document(found.difference), "p": found.p} if found else None
            for metric, found in comparisons.items()
        },
    }


def _estimate_document(found: Estimate | None) -> dict[str, float | None]:
    if found is None:
        return {"mean": None, "standard_error": None}
    return {"mean": found.mean, "standard_error": found.error}


def _paper_document(row: PaperRow) -> dict[str, Any]:
    return {
        **asdict(row.cell),
        "ours": None if row.ours is None else _estimate_document(row.ours),
        "verdict": row.verdict,
    }


def write_csv(evaluation: Evaluation, path: str) -> None:
    """One row a model, variant and metric, as ratios; difference and p stand with ITAE.

    Raises:
        OutputError: if it cannot be written.
    """
    with (
        explain_write_errors(path),
        open(path, "x", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(_CSV_HEAD)
        for judged in evaluation.models:
            for variant in judged.variants:
                rows.writerows(_csv_rows(judged, variant, evaluation.metrics))


def _csv_rows(
    judged: ModelScores, variant: ScoredVariant, metrics: Sequence[str]
) -> list[list[object]]:
    rows: list[list[object]] = []
    for metric in metrics:
        found = variant.estimate(metric)
        compared = judged.compare(metric) if variant.name == ITAE else None
        cells: list[object] = [found and found.mean, found and found.error]
        if compared is not None:
            cells += [compared.difference.mean, compared.difference.error, compared.p]
        else:
            cells += [None] * 3
        rows.append([judged.name, variant.name, variant.theta, metric, *cells])
    return rows
