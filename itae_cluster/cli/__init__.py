"""The command line: parses, calls the pipeline, renders, maps errors to exit codes."""

from __future__ import annotations

from itae_cluster.cli.app import app, main

__all__ = ["app", "main"]
