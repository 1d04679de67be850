"""`itae-cluster calibrate`: find θ from the query norms of a sample."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import MeasuredModelGroup, PictureGroup, with_option_groups
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.documents import to_json
from itae_cluster.core.options import CalibrationOptions, parse_range, theta_text
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from rich.table import Table

    from itae_cluster.pipeline.calibrate import Calibration

__all__ = ["calibrate"]

_SWEEP = "Sweep"
_FEWEST = 20  # pictures: a single one may be all sky


class _Rule(StrEnum):
    MINORITY = "minority"
    LOW = "low"


@with_option_groups
def calibrate(
    *,
    sample: Annotated[
        int, typer.Option(metavar="N", help="Measure at most N pictures, drawn at random.")
    ] = CalibrationOptions.sample,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Also draw the norms and the attention (Fig. 2 and 3), or the sweep (Fig. 5), in "
            "a new .png or .svg file.",
        ),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option("--json", help="Print everything, as JSON."),
    ] = False,
    save: Annotated[
        bool,
        typer.Option("--save", help="Save theta for these weights, for --theta auto."),
    ] = False,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset", help="Forget the theta saved for these weights, and do nothing else."
        ),
    ] = False,
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="START:STOP:STEP",
            help="Score the clusters for each of these thetas, such as 1:8:0.5.",
            rich_help_panel=_SWEEP,
        ),
    ] = None,
    rule: Annotated[
        _Rule,
        typer.Option(
            metavar="|".join(_Rule),
            help="Which tokens to attenuate: the smaller group (Eq. 3), or all whose norm is at "
            "most theta (Sec. 5.2).",
            rich_help_panel=_SWEEP,
        ),
    ] = _Rule.MINORITY,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Use the folder names as true labels, and add ACC, ARI and NMI.",
            rich_help_panel=_SWEEP,
        ),
    ] = CalibrationOptions.labels,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            "-k",
            metavar="N",
            help="Number of clusters in the sweep. Default: the number of labels; without "
            "--labels a fifth of the number of pictures, but at most 20.",
            rich_help_panel=_SWEEP,
            show_default=False,
        ),
    ] = CalibrationOptions.k,
    pictures: PictureGroup,
    model: MeasuredModelGroup,
    seed: given.Seed = CalibrationOptions.seed,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Find ITAE's threshold theta for a model, from a histogram of query norms.

    Prints theta alone, or 'off' if the norms are not bimodal, so that the second example works.

    Examples:
        itae-cluster calibrate ./photos --model vitl14 --plot norms.png
        itae-cluster ./photos --theta "$(itae-cluster calibrate ./photos --quiet)"
    """
    options = CalibrationOptions(
        sample=sample,
        seed=seed,
        thetas=() if sweep is None else parse_range(sweep),
        rule=rule.value,
        labels=labels,
        k=k,
    )
    model_options = model.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        if reset:
            from itae_cluster.pipeline.calibrate import forget_theta

            there_was = forget_theta(model_options, reporter)
            reporter.summary("forgotten" if there_was else "nothing was saved for these weights")
            return
        pictures.check_named()
        if plot is not None:
            from itae_cluster.paper.figures import check_target

            check_target(plot)
        inputs = pictures.read()
        from itae_cluster.pipeline.calibrate import draw, run_calibration, save_theta

        calibration = run_calibration(inputs, model_options, options, reporter)
        if plot is not None:
            draw(calibration, plot)
        if save:
            reporter.note(f"saved in {save_theta(calibration)}")
    if not quiet:
        _explain(calibration)
    print(to_json(calibration.document(), indent=2) if json_ else theta_text(calibration.theta))
    check_strict(strict, calibration.sample.skipped)


def _explain(calibration: Calibration) -> None:
    """The histogram, the finding and the sweep, for a person, on standard error."""
    import numpy as np
    from rich.console import Console

    from itae_cluster.cli.histogram import print_histogram

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    norms = calibration.sample.measures.query_norms[:, 1:]
    registers = calibration.sample.measures.registers
    is_register = np.broadcast_to(np.arange(norms.shape[1]) < registers, norms.shape)
    lines = {"theta": calibration.theta, "published": calibration.published}
    print_histogram(
        norms,
        registers=is_register if registers else None,
        lines={name: value for name, value in lines.items() if value is not None},
        console=console,
    )
    verdict = "bimodal" if calibration.finding.bimodal else "not bimodal"
    if len(calibration.sample.paths) < _FEWEST:
        verdict += f"; too few pictures to be sure, name {_FEWEST} or more"
    console.print(
        f"{quantity(len(calibration.sample.paths), 'picture')}, {quantity(norms.size, 'token')}: "
        f"{verdict}",
        style="bold",
    )
    console.print(calibration.finding.reason)
    console.print(_describe_theta("recommended", calibration, calibration.theta))
    console.print(_describe_theta("published for this model", calibration, calibration.published))
    if calibration.sweep:
        console.print(_sweep_table(calibration))
    sys.stderr.flush()


def _describe_theta(kind: str, calibration: Calibration, theta: float | None) -> str:
    if theta is None:
        return f"theta {kind}: off"
    share = calibration.attenuated_share(theta)
    return (
        f"theta {kind}: {theta:g}, which attenuates {share.tokens:.1%} of the tokens, in "
        f"{share.pictures:.1%} of the pictures"
    )


def _sweep_table(calibration: Calibration) -> Table:
    from rich.table import Table

    names = ["theta", "tokens", "pictures", "silhouette", "stability"]
    labelled = calibration.sweep[0].acc is not None
    table = Table(*names, *(["ACC", "ARI", "NMI"] if labelled else []), box=None)
    for point in calibration.sweep:
        scores = [point.silhouette, point.stability]
        if labelled:
            scores += [point.acc, point.ari, point.nmi]
        table.add_row(
            theta_text(point.theta),
            f"{point.share:.1%}",
            f"{point.pictures:.1%}",
            *("" if score is None else f"{score:.3f}" for score in scores),
        )
    return table
