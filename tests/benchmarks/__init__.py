"""Measurements behind docs/performance.md: `python tests/benchmarks --help`."""
