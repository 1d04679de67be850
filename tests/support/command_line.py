"""The command line, run in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from itae_cluster.cli import app


def run_cli(*words, code=None, stdin=None):
    """What `itae-cluster WORDS` printed; with `code`, it must have ended with that exit code.

    A crash is not a result: an exception that the command line does not turn into an error message
    goes through to the test.
    """
    result = CliRunner().invoke(app, [*map(str, words)], input=stdin, catch_exceptions=False)
    assert code in (None, result.exit_code), result.output
    return result
