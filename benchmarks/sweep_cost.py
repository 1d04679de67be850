"""What a sweep of θ costs: one pass with 15 values against one plain embedding pass.

    python benchmarks/sweep_cost.py [FOLDER]

Times both in turn on the same pixels, several times, and prints the ratio pair by pair: the
machine's speed may drift, the ratio does not. Without a folder it uses noise.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.decode import decode
from itae_cluster.encoder import load_encoder
from itae_cluster.model.itae import Settings
from itae_cluster.options import ModelOptions, parse_range
from itae_cluster.scan import scan

PICTURES, PAIRS = 64, 7


def seconds(call: object, *args: object) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call(*args)  # type: ignore[operator]
    return time.perf_counter() - start


def main() -> None:
    """Print one ratio a pair, then their median."""
    reporter = ConsoleReporter(quiet=True, verbose=False)
    encoder = load_encoder(ModelOptions(model="mini"), reporter)
    if len(sys.argv) > 1:
        files = scan(sys.argv[1:2]).files[:PICTURES]
        pixels = np.stack([decode(file, encoder.size).pixels for file in files])
    else:
        shape = (PICTURES, encoder.size, encoder.size, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    settings = [Settings(theta) for theta in parse_range("1:8:0.5")]
    seconds(encoder.encode, pixels), seconds(encoder.survey, pixels, settings)
    ratios = []
    for _ in range(PAIRS):
        plain = seconds(encoder.encode, pixels)
        ratios.append(seconds(encoder.survey, pixels, settings) / plain)
        print(f"{ratios[-1]:.3f}")
    print(f"median {statistics.median(ratios):.3f} ({len(settings)} values of theta)")


if __name__ == "__main__":
    main()
