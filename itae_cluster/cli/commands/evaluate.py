"""`itae-cluster eval`: how well clusters agree with labels, with and without ITAE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import (
    ComparedModelsGroup,
    RecipeGroup,
    with_option_groups,
)
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.files import check_new
from itae_cluster.core.options import theta_text
from itae_cluster.core.text import quantity
from itae_cluster.paper.tables import DATASETS, NEIGHBOURS, RUNS, SETS

if TYPE_CHECKING:
    from rich.table import Table

    from itae_cluster.paper.protocol import Comparison, Estimate
    from itae_cluster.paper.report import Evaluation, ModelScores

__all__ = ["evaluate"]

_PIPE_WIDTH = 120  # columns of a table that is not read on a terminal
_DATASET_CLASSES = ("CIFAR10", "CIFAR100", "STL10")


def _complete_paper(incomplete: str) -> list[str]:
    return [name for name in DATASETS if name.startswith(incomplete)]


@with_option_groups
def evaluate(
    *,
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="LABELLED_DIR",
            help="A folder with one subfolder of pictures for each class.",
            show_default=False,
        ),
    ] = None,
    torchvision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Instead of LABELLED_DIR: the test part of a dataset that torchvision has "
            "downloaded, CIFAR10, CIFAR100 or STL10.",
            rich_help_panel=given.PICTURES,
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where torchvision keeps that dataset.",
            rich_help_panel=given.PICTURES,
        ),
    ] = None,
    exclude: given.Exclude = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            "-k",
            metavar="N",
            help="Number of clusters. Default: the number of classes.",
            show_default=False,
            rich_help_panel=given.RESULT,
        ),
    ] = None,
    runs: Annotated[
        str,
        typer.Option(
            metavar="SETSxRUNS",
            help="How many sets, and how many clusterings per set, each from another start.",
            rich_help_panel=given.RESULT,
        ),
    ] = f"{SETS}x{RUNS}",
    knn: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Also classify each picture by its K nearest neighbours in --train. Default: "
            f"{NEIGHBOURS}, if there is --train.",
            show_default=False,
            rich_help_panel="Nearest neighbours",
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Labelled pictures to learn from, in subfolders with the same names.",
            rich_help_panel="Nearest neighbours",
        ),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Also print the ITAE paper's numbers for this dataset: "
            f"{', '.join(list(DATASETS)[:-1])} or {list(DATASETS)[-1]}.",
            autocompletion=_complete_paper,
            rich_help_panel=given.RESULT,
        ),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print everything, each set too, as JSON.",
            rich_help_panel=given.RESULT,
        ),
    ] = False,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Also write the table to a new file.",
            rich_help_panel=given.RESULT,
        ),
    ] = None,
    models: ComparedModelsGroup,
    recipe: RecipeGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Score models on labelled pictures, with and without ITAE, by the paper's protocol.

    The names of the subfolders are the labels. Every picture is embedded once; then the embeddings
    with and without ITAE are clustered from the same starts, in 20 sets of 25 runs, and compared
    with the labels. Scores are percentages: the mean and the standard error over the sets. p is
    that of a paired t-test over the sets.

    Examples:
        itae-cluster eval ./labelled --model vitb14 --model vitl14
        itae-cluster eval --torchvision STL10 --root ./data --paper stl10
    """
    if torchvision is not None and torchvision not in _DATASET_CLASSES:
        known = ", ".join(_DATASET_CLASSES)
        raise UsageError(f"--torchvision {torchvision} is not known; choose one of {known}")
    sets, per_set = parse_runs(runs)
    model_options = models.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.paper.report import EvalOptions, write_csv
        from itae_cluster.pipeline.evaluate import evaluate_models

        options = EvalOptions(
            folder=folder,
            torchvision=torchvision,
            root=root,
            excludes=tuple(exclude or ()),
            sets=sets,
            runs=per_set,
            clustering=recipe.options_for(k),
            knn=knn,
            train=train,
            paper=paper,
        )
        if csv is not None:
            check_new(csv)
        evaluation = evaluate_models(options, model_options, reporter)
    if csv is not None:
        write_csv(evaluation, csv)
    if json_:
        from itae_cluster.core.documents import to_json

        print(to_json(evaluation.document(), indent=2))
    else:
        _print_tables(evaluation)
    reporter.summary(_summary(evaluation))
    check_strict(strict, evaluation.skipped)


def parse_runs(text: str) -> tuple[int, int]:
    """`20x25` → (20, 25).

    Raises:
        UsageError: if it is not two numbers of 1 or more.
    """
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip(), re.ASCII)
    sets, runs = (int(match[1]), int(match[2])) if match else (0, 0)
    if not sets or not runs:
        raise UsageError(f"--runs {text!r}: give sets and runs a set, such as {SETS}x{RUNS} or 5x5")
    return sets, runs


def _print_tables(evaluation: Evaluation) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(_table(evaluation))
    if evaluation.options.paper is not None:
        console.print()
        console.print(_paper_table(evaluation))


def _table(evaluation: Evaluation) -> Table:
    from rich.table import Table

    both = any(len(judged.variants) > 1 for judged in evaluation.models)
    table = Table("model", box=None)
    headings = ("theta", "metric", "original", "ITAE", "difference", "p")
    for heading in headings if both else ("metric", "original"):
        table.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    for judged in evaluation.models:
        for number, metric in enumerate(evaluation.metrics):
            first = number == 0
            row = [judged.name if first else "", *_row(judged, metric, first)]
            table.add_row(*row if both else (row[0], row[2], row[3]))
    return table


def _row(judged: ModelScores, metric: str, first: bool) -> list[str]:
    theta = judged.variants[-1].theta
    shown = [_score(variant.estimate(metric)) for variant in judged.variants]
    return [
        theta_text(theta) if first else "",
        _title(metric),
        *shown,
        *[""] * (2 - len(shown)),
        *_difference(judged.compare(metric)),
    ]


def _title(metric: str) -> str:
    return "k-NN" if metric == "knn" else metric.upper()


def _score(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    mean = f"{100 * estimate.mean:.2f}"
    return mean if estimate.error is None else f"{mean} ± {100 * estimate.error:.2f}"


def _difference(comparison: Comparison | None) -> tuple[str, str]:
    if comparison is None:
        return "", ""
    shown = f"{100 * comparison.difference.mean:+.2f}"
    if comparison.difference.error is not None:
        shown += f" ± {100 * comparison.difference.error:.2f}"
    return shown, _p(comparison.p)


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _paper_table(evaluation: Evaluation) -> Table:
    from rich.table import Table

    table = Table(box=None, title=f"Nakamura et al. 2024, {evaluation.options.paper}")
    for heading in ("table", "model", "variant", "metric", "paper", "here", "verdict"):
        right = heading in {"paper", "here"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in evaluation.paper_rows():
        cell = row.cell
        printed = f"{cell.mean:.2f}" + ("" if cell.error is None else f" ± {cell.error:.2f}")
        here = ""
        if row.ours is not None:
            error = row.ours.error
            here = f"{row.ours.mean:.2f}" + ("" if error is None else f" ± {error:.2f}")
        variant = "ITAE" if cell.itae else "original"
        metric = _title(cell.metric)
        table.add_row(str(cell.table), cell.model, variant, metric, printed, here, row.verdict)
    return table


def _summary(evaluation: Evaluation) -> str:
    options = evaluation.options
    runs = f"{options.sets} seeds"
    if options.is_protocol:
        runs = f"{options.sets} sets of {options.runs} K-Means runs"
    how = str(options.clustering.algorithm)
    if evaluation.k is not None:
        how = quantity(evaluation.k, "cluster")
    if not options.is_protocol and evaluation.k is not None:
        how += f" by {options.clustering.algorithm}, --reduce {options.clustering.reduce}"
    skipped = f", {len(evaluation.skipped)} skipped" if evaluation.skipped else ""
    pictures = quantity(evaluation.pictures, "picture")
    return f"{pictures} of {evaluation.classes} classes, {how}, {runs}{skipped}"
