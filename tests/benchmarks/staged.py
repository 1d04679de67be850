"""One main job in this process; prints seconds by stage and the peak of memory as JSON.

PYTHONPATH=tests python -m benchmarks.staged FOLDER K CACHE [OUT]
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict

START = time.perf_counter()


class StageClock:
    """A `Reporter` that adds up how long each stage is the last one it was told of."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._stage, self._since = "Starting", START

    def progress(self, stage: str, _done: int, _total: int | None, _unit: str = "") -> None:
        """Close the stage before."""
        if stage != self._stage:
            now = time.perf_counter()
            self.seconds[self._stage] += now - self._since
            self._stage, self._since = stage, now

    def finish(self) -> dict[str, float]:
        """Seconds by stage."""
        self.progress("", 0, None)
        return dict(self.seconds)

    def ignore(self, _: object) -> None:
        """Nothing else is of interest."""

    warn = note = info = skip = ignore


def main() -> None:
    """Run the job with its defaults."""
    from itae_cluster.core.options import (
        Action,
        CacheOptions,
        ClusterOptions,
        InputOptions,
        ModelOptions,
        OutputOptions,
    )
    from itae_cluster.core.run import open_run
    from itae_cluster.pipeline import sort_pictures

    folder, k, cache, *out = sys.argv[1:]
    clock = StageClock()
    with open_run(clock, CacheOptions(None if cache == "none" else cache, cache == "none")) as run:
        result = sort_pictures(
            InputOptions((folder,)),
            ModelOptions("mini"),
            ClusterOptions(k=None if k == "auto" else int(k)),
            OutputOptions(out[0], Action.HARDLINK) if out else None,
            run,
        )
    stages = clock.finish()
    print(
        json.dumps(
            {
                "pictures": len(result.placements),
                "dim": int(result.embeddings.vectors.shape[1]),
                "seconds": stages,
                "total": sum(stages.values()),
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
