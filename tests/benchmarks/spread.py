"""Pictures a second in this process, or by Ray on so many processors; prints JSON.

PYTHONPATH=tests python -m benchmarks.spread FOLDER TARGET CPUS

CPUS 0 is without Ray. What comes before the first part (start, models) is left out.
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.staged import StageClock
from itae_cluster import distributed
from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
from itae_cluster.core.run import open_run
from itae_cluster.pictures.scan import scan
from itae_cluster.pipeline import embed_pictures

_MODEL = ModelOptions("mini")
_PART = 64


def alone(folder: str) -> float:
    """Of the stage that embeds, without Ray."""
    clock = StageClock()
    with open_run(clock, CacheOptions(None, True)) as run:
        found = embed_pictures(InputOptions((folder,)), _MODEL, run)
    return len(found.paths) / clock.finish()["Embedding"]


def spread(folder: str, target: str, cpus: int) -> float:
    """From the end of the first part to that of the last."""
    import ray

    files = scan([folder]).files
    ended, sizes = [], []
    ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False)
    with distributed.connect("auto"):
        for _, part in distributed.embed_parts(files, _MODEL, target, _PART, StageClock()):
            ended.append(time.perf_counter())
            sizes.append(len(part.files.paths))
    ray.shutdown()
    return sum(sizes[1:]) / (ended[-1] - ended[0])


if __name__ == "__main__":
    pictures, parts, processors = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rate = spread(pictures, parts, processors) if processors else alone(pictures)
    print(json.dumps({"rate": rate}))
