"""What the ITAE paper reports (Nakamura et al. 2024, arXiv:2410.04801), as data.

`SETS`, `RUNS` and `NEIGHBOURS` are its protocol (Sec. 4.1 and 5.3), `CELLS` its Tables 1 to 3, in
per cent as printed. Its columns *original* and *ours* are a model without registers, before and
after ITAE; *registers* and *registers + ours* are the same of the model with registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import hypot
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CELLS", "DATASETS", "NEIGHBOURS", "RUNS", "SETS", "Cell", "find", "mark"]

SETS = 20
RUNS = 25
NEIGHBOURS = 10

DATASETS = ("cifar10", "cifar100", "stl10", "tinyimagenet", "imagenet1k")
"""The datasets of the tables; ImageNet-1k is in Tab. 3 only."""

_Number = tuple[float, float]  # mean and standard error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number of a table.

    `metric` is acc, ari, nmi or knn; `mean` and `error` (standard error over 20 sets, None in
    Tab. 3) are in per cent.
    """

    table: int
    dataset: str
    model: str
    itae: bool
    metric: str
    mean: float
    error: float | None


# fmt: off
_TABLE_1: dict[tuple[str, bool], dict[str, tuple[_Number, _Number, _Number, _Number]]] = {
    ("vitb14", False): {
        "acc": ((83.63, 1.13), (64.26, 0.30), (75.65, 1.04), (67.81, 0.24)),
        "ari": ((77.75, 1.08), (48.94, 0.18), (61.49, 1.57), (50.68, 0.25)),
        "nmi": ((86.04, 0.46), (76.58, 0.09), (81.61, 0.72), (81.28, 0.06)),
    },
    ("vitb14-reg", False): {
        "acc": ((82.12, 1.35), (66.79, 0.23), (72.70, 1.13), (68.88, 0.21)),
        "ari": ((73.50, 1.25), (50.30, 0.21), (56.92, 1.37), (50.13, 0.23)),
        "nmi": ((84.70, 0.41), (78.42, 0.08), (79.47, 0.54), (81.69, 0.05)),
    },
    ("vitb14", True): {
        "acc": ((84.49, 1.19), (65.02, 0.14), (82.76, 1.27), (68.23, 0.25)),
        "ari": ((79.46, 1.14), (50.53, 0.18), (75.94, 1.60), (52.27, 0.22)),
        "nmi": ((86.82, 0.51), (77.10, 0.08), (88.18, 0.62), (81.78, 0.07)),
    },
}

# original, registers, ours, registers + ours
_TABLE_2: dict[str, dict[str, tuple[_Number, _Number, _Number | None, _Number]]] = {
    "cifar10": {
        "vits14": ((70.92, 1.54), (77.11, 1.60), None, (81.57, 1.04)),
        "vitb14": ((83.63, 1.13), (82.12, 1.35), (84.49, 1.19), (82.61, 1.40)),
        "vitl14": ((82.16, 1.48), (78.67, 1.50), (82.49, 1.55), (79.92, 1.47)),
        "vitg14": ((78.09, 1.25), (76.38, 1.44), (78.59, 1.91), (77.42, 1.69)),
    },
    "cifar100": {
        "vits14": ((50.84, 0.24), (57.33, 0.20), None, (60.80, 0.27)),
        "vitb14": ((64.26, 0.30), (66.79, 0.23), (65.02, 0.14), (68.85, 0.28)),
        "vitl14": ((68.69, 0.34), (68.01, 0.38), (69.04, 0.22), (68.98, 0.31)),
        "vitg14": ((68.99, 0.39), (69.22, 0.27), (69.50, 0.28), (69.94, 0.25)),
    },
    "stl10": {
        "vits14": ((83.33, 1.69), (85.20, 2.04), None, (85.89, 1.45)),
        "vitb14": ((75.65, 1.04), (72.70, 1.13), (82.76, 1.27), (78.71, 1.14)),
        "vitl14": ((65.78, 1.22), (56.84, 1.21), (70.51, 1.42), (59.62, 1.49)),
        "vitg14": ((55.91, 1.14), (53.73, 1.75), (56.01, 0.93), (55.06, 1.41)),
    },
    "tinyimagenet": {
        "vits14": ((55.49, 0.19), (57.78, 0.15), None, (59.56, 0.14)),
        "vitb14": ((67.81, 0.24), (68.88, 0.21), (68.23, 0.25), (69.62, 0.18)),
        "vitl14": ((71.98, 0.15), (71.53, 0.19), (73.19, 0.21), (72.53, 0.17)),
        "vitg14": ((73.25, 0.16), (73.44, 0.17), (73.54, 0.17), (73.80, 0.20)),
    },
}

_TABLE_3: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "imagenet1k": {
        "vitb14": (82.04, 82.02, 82.07, 82.35),
        "vitl14": (83.50, 83.84, 83.62, 83.87),
        "vitg14": (83.51, 83.65, 83.54, 83.72),
    },
    "cifar100": {
        "vitb14": (87.31, 87.60, 87.58, 88.09),
        "vitl14": (91.12, 90.88, 91.39, 91.01),
        "vitg14": (91.79, 91.59, 91.99, 91.81),
    },
}
# fmt: on

_COLUMNS = tuple((suffix, itae) for itae, suffix in product((False, True), ("", "-reg")))


def _table_1() -> Iterator[Cell]:
    for (model, itae), metrics in _TABLE_1.items():
        for metric, row in metrics.items():
            for dataset, (mean, error) in zip(DATASETS, row, strict=False):
                yield Cell(
                    table=1,
                    dataset=dataset,
                    model=model,
                    itae=itae,
                    metric=metric,
                    mean=mean,
                    error=error,
                )


def _table_2() -> Iterator[Cell]:
    for dataset, models in _TABLE_2.items():
        for model, row in models.items():
            for (suffix, itae), number in zip(_COLUMNS, row, strict=True):
                if number is not None:
                    mean, error = number
                    yield Cell(
                        table=2,
                        dataset=dataset,
                        model=model + suffix,
                        itae=itae,
                        metric="acc",
                        mean=mean,
                        error=error,
                    )


def _table_3() -> Iterator[Cell]:
    for dataset, models in _TABLE_3.items():
        for model, row in models.items():
            for (suffix, itae), mean in zip(_COLUMNS, row, strict=True):
                yield Cell(
                    table=3,
                    dataset=dataset,
                    model=model + suffix,
                    itae=itae,
                    metric="knn",
                    mean=mean,
                    error=None,
                )


CELLS: tuple[Cell, ...] = (*_table_1(), *_table_2(), *_table_3())


def find(
    dataset: str, model: str | None = None, itae: bool | None = None, metric: str | None = None
) -> tuple[Cell, ...]:
    """The cells of a dataset, narrowed down as far as asked; a number in two tables comes once."""
    found: dict[tuple[str, bool, str], Cell] = {}
    for cell in CELLS:
        wanted = (
            cell.dataset == dataset
            and model in (None, cell.model)
            and itae in (None, cell.itae)
            and metric in (None, cell.metric)
        )
        if wanted:
            found.setdefault((cell.model, cell.itae, cell.metric), cell)
    return tuple(found.values())


def mark(cell: Cell, mean: float, error: float | None) -> str:
    """Whether our number is the paper's: "reproduced", or "differs by" the points between them.

    Reproduced means within two combined standard errors. Tab. 3 gives none (k-NN has no random
    start), so there the numbers must be equal as printed, to 0.01.

    Args:
        cell: the paper's number.
        mean: ours, in per cent.
        error: our standard error in per cent, None where there is none.
    """
    difference = mean - cell.mean
    allowed = 0.0 if cell.error is None else 2 * hypot(cell.error, error or 0.0)
    if abs(difference) <= max(allowed, 0.005):
        return "reproduced"
    return (
        f"differs by {difference:+.2f}"
        if abs(difference) < 0.05
        else (f"differs by {difference:+.1f}")
    )
