"""In a process of its own: from nothing to the first batch on CUDA. Prints JSON."""

from __future__ import annotations

import json
import time


def main() -> None:
    """Import, load, embed one batch."""
    start = time.perf_counter()
    import numpy as np

    from itae_cluster.cli.reporting import ConsoleReporter
    from itae_cluster.core.options import DeviceName, ModelOptions
    from itae_cluster.embedding.encoder import load_encoder

    options = ModelOptions("mini", device=DeviceName.CUDA)
    encoder = load_encoder(options, ConsoleReporter(quiet=True, verbose=False))
    encoder.encode(np.zeros((128, encoder.size, encoder.size, 3), dtype=np.uint8))
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
