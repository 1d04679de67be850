"""The demo: an album with known labels, sorted and scored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster import demo
from itae_cluster.core.options import ClusterOptions, InputOptions, ModelOptions, OutputOptions
from itae_cluster.paper.scores import clustering_accuracy
from itae_cluster.pipeline.sorting import Result, sort_pictures

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter

__all__ = ["run_demo"]


def run_demo(folder: str, model: ModelOptions, reporter: Reporter) -> tuple[Result, float]:
    """Make the demo album in `folder`, sort it into `folder/sorted`, and compare with the truth.

    Returns:
        The result, and the clustering accuracy (ACC, 0 to 1).

    Raises:
        OutputError: if `folder` exists and is not empty.
    """
    truth = demo.make_album(folder)
    result = sort_pictures(
        InputOptions(paths=(os.path.join(folder, demo.ALBUM),)),
        model,
        ClusterOptions(k=demo.CLASSES),
        OutputOptions(out=os.path.join(folder, "sorted")),
        reporter=reporter,
    )
    labels = [truth[path] for path in result.embeddings.paths]
    return result, clustering_accuracy(labels, result.clustering.labels)
