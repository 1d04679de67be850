"""`itae-cluster demo`: the main job on a small album that every installation can make."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import DeviceName, ModelOptions

__all__ = ["demo"]


def demo(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="A new folder for the album and the result.")
    ] = "itae-demo",
    model: given.Model = "mini",
    device: given.Device = DeviceName.AUTO,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Make a small album, sort it, and tell how many pictures were sorted correctly.

    The album is made of handwritten digits and pieces of two photographs, which come with
    scikit-learn, so the true labels are known. Nothing is downloaded.

    Examples:
        itae-cluster demo
        itae-cluster demo ./try --model vitb14
    """
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline import run_demo

        with open_run(reporter) as run:
            result, accuracy = run_demo(folder, ModelOptions(model=model, device=device), run)
    n, clusters = len(result.placements), len(result.clustering.centres)
    print(f"album    {os.path.join(folder, 'album')}  ({n} pictures, unsorted)")
    print(f"result   {os.path.join(folder, 'sorted')}  ({clusters} folders)")
    print(f"look at  {os.path.join(folder, 'sorted', 'preview.html')}")
    print(f"ACC      {accuracy:.3f}  (share of pictures in the right folder)")
