"""`itae-cluster eval`: how well clusters agree with labels, with and without ITAE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.files import check_new
from itae_cluster.core.options import (
    Algorithm,
    ClusterOptions,
    DeviceName,
    ModelOptions,
    Reduction,
    parse_theta,
    theta_text,
)
from itae_cluster.paper.tables import DATASETS, NEIGHBOURS, RUNS, SETS

if TYPE_CHECKING:
    from rich.table import Table

    from itae_cluster.paper.protocol import Comparison, Estimate
    from itae_cluster.paper.report import Evaluation, ModelScores

__all__ = ["evaluate"]

_OUTPUT = "Result"
_DATA = "Pictures"
_PIPE_WIDTH = 120  # columns of a table that is not read on a terminal
_DATASET_CLASSES = ("CIFAR10", "CIFAR100", "STL10")


def _complete_paper(incomplete: str) -> list[str]:
    return [name for name in DATASETS if name.startswith(incomplete)]


def evaluate(
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="LABELLED_DIR",
            help="A folder whose subfolders hold the pictures of one class each.",
            show_default=False,
        ),
    ] = None,
    torchvision: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(_DATASET_CLASSES),
            help="The test part of a dataset that torchvision has downloaded, in place of "
            "LABELLED_DIR.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where torchvision keeps that dataset.", rich_help_panel=_DATA
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
            rich_help_panel=given.CLUSTERING,
        ),
    ] = None,
    runs: Annotated[
        str,
        typer.Option(
            metavar="SETSxRUNS",
            help="Sets of clusterings, and clusterings a set, each from another start.",
            rich_help_panel=given.CLUSTERING,
        ),
    ] = f"{SETS}x{RUNS}",
    algorithm: given.Algorithm = ClusterOptions.algorithm,
    reduce: Annotated[
        Reduction | None,
        typer.Option(
            metavar="|".join(Reduction),
            help="What is clustered. Default: none, as in the paper; umap for hdbscan. All but "
            "kmeans with none runs once a set.",
            rich_help_panel=given.CLUSTERING,
            show_default=False,
        ),
    ] = None,
    reduce_dim: given.ReduceDim = ClusterOptions.reduce_dim,
    neighbors: given.Neighbors = ClusterOptions.neighbors,
    min_cluster_size: given.MinClusterSize = ClusterOptions.min_cluster_size,
    assign_noise: given.AssignNoise = ClusterOptions.assign_noise,
    seed: given.Seed = ClusterOptions.seed,
    knn: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help=f"Also classify each picture by its K nearest of --train. Default: {NEIGHBOURS}, "
            "where --train is given.",
            show_default=False,
            rich_help_panel="Nearest neighbours",
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Labelled pictures to learn from, in subfolders of the same names.",
            rich_help_panel="Nearest neighbours",
        ),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(DATASETS),
            help="Print the ITAE paper's numbers for that dataset beside these.",
            autocompletion=_complete_paper,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="The whole finding as JSON, with every set.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Also write the table to a new file.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model, as for the main command; several, each with its own --model, are "
            "compared. Default: auto.",
            autocompletion=given.complete_model,
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = None,
    weights: given.Weights = ModelOptions.weights,
    theta: given.Theta = "auto",
    size: given.Size = ModelOptions.size,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    offline: given.Offline = ModelOptions.offline,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Judge models on labelled pictures, with and without ITAE, by the paper's protocol.

    Subfolder names are the labels. Every picture is embedded once; then both variants are
    clustered from the same starts, 20 sets of 25 times, and compared with the labels. Scores are in
    per cent: mean and standard error over sets; p is of the paired t-test over sets.
    """
    names = model or [ModelOptions.model]
    if weights is not None and len(names) > 1:
        raise UsageError("--weights is one model; leave it out, or give a single --model")
    if torchvision is not None and torchvision not in _DATASET_CLASSES:
        known = ", ".join(_DATASET_CLASSES)
        raise UsageError(f"--torchvision {torchvision} is not known; choose one of {known}")
    sets, per_set = parse_runs(runs)
    hdbscan = algorithm is Algorithm.HDBSCAN  # needs UMAP; the paper reduces nothing
    recipe = ClusterOptions(
        algorithm=algorithm,
        k=k,
        min_cluster_size=min_cluster_size,
        assign_noise=assign_noise,
        seed=seed,
        reduce=reduce or (Reduction.UMAP if hdbscan else Reduction.NONE),
        reduce_dim=reduce_dim,
        neighbors=neighbors,
    )
    models = [
        ModelOptions(
            name,
            weights=weights,
            theta=parse_theta(theta),
            size=size,
            device=device,
            batch_size=batch_size,
            offline=offline,
        )
        for name in names
    ]
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
            clustering=recipe,
            knn=knn,
            train=train,
            paper=paper,
        )
        if csv is not None:
            check_new(csv)
        found = evaluate_models(options, models, reporter)
    if csv is not None:
        write_csv(found, csv)
    if json_:
        from itae_cluster.core.documents import to_json

        print(to_json(found.document(), indent=2))
    else:
        _print_tables(found)
    reporter.summary(_summary(found))
    check_strict(strict, found.skipped)


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


def _print_tables(found: Evaluation) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(_table(found))
    if found.options.paper is not None:
        console.print()
        console.print(_paper_table(found))


def _table(found: Evaluation) -> Table:
    from rich.table import Table

    both = any(len(judged.variants) > 1 for judged in found.models)
    table = Table("model", box=None)
    headings = ("theta", "metric", "original", "ITAE", "difference", "p")
    for heading in headings if both else ("metric", "original"):
        table.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    for judged in found.models:
        for number, metric in enumerate(found.metrics):
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


def _score(found: Estimate | None) -> str:
    if found is None:
        return ""
    mean = f"{100 * found.mean:.2f}"
    return mean if found.error is None else f"{mean} ± {100 * found.error:.2f}"


def _difference(found: Comparison | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    shown = f"{100 * found.difference.mean:+.2f}"
    if found.difference.error is not None:
        shown += f" ± {100 * found.difference.error:.2f}"
    return shown, _p(found.p)


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _paper_table(found: Evaluation) -> Table:
    from rich.table import Table

    table = Table(box=None, title=f"Nakamura et al. 2024, {found.options.paper}")
    for heading in ("table", "model", "variant", "metric", "paper", "here", "verdict"):
        right = heading in {"paper", "here"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in found.paper_rows():
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


def _summary(found: Evaluation) -> str:
    options = found.options
    runs = f"{options.sets} seeds"
    if options.is_protocol:
        runs = f"{options.sets} sets of {options.runs} K-Means runs"
    how = str(options.clustering.algorithm) if found.k is None else f"{found.k} clusters"
    if not options.is_protocol and found.k is not None:
        how += f" by {options.clustering.algorithm}, --reduce {options.clustering.reduce}"
    skipped = f", {len(found.skipped)} skipped" if found.skipped else ""
    return f"{found.pictures} pictures of {found.classes} classes, {how}, {runs}{skipped}"
