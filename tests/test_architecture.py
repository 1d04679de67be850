"""Imports run one way (contracts in pyproject.toml); what imports cannot show is read here."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "itae_cluster"

CHANGES_FILES = {
    *("chmod", "link", "remove", "removedirs", "rename", "renames", "replace", "rmdir", "symlink"),
    *("truncate", "unlink", "utime"),
}
# Outside `changes`, these work on files of the tool's own: the cache, a part that is not yet under
# its final name, weights, a journal.
MAY_CHANGE_FILES = ("changes/", "cli/commands/cache.py", "core/", "model/", "results/journal.py")
MOST_PARAMETERS = 6
MAY_TAKE_MORE = {
    "drawing/sheet.py::text",  # a place, a text and its look, each named where it is called
    "clustering/reduce.py::cached_umap",  # what the result depends on, and where it is kept
}
NETWORK = {"model/config.py", "model/dinov2.py", "model/itae.py"}


def calls(file):
    """Every call in a file, as text: `os.rename`, `open`, …"""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def modules():
    return [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]


def test_imports_follow_the_contracts():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_only_changes_touches_a_picture():
    for file in modules():
        called = {call.removeprefix("os.") for call in calls(file) if call.startswith("os.")}
        assert file.startswith(MAY_CHANGE_FILES) or not called & CHANGES_FILES, file


def test_the_network_opens_no_file():
    for file in NETWORK:
        assert not {"open", "print", "torch.load", "torch.save"} & calls(file)


def test_no_function_takes_many_parameters():
    """What belongs together travels as one record, such as `Run` and the options."""
    for file in modules():
        if file.startswith("cli/commands/"):  # there one is an option of the command line
            continue
        for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and f"{file}::{node.name}" not in MAY_TAKE_MORE:
                taken = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
                assert len(taken - {"self", "cls"}) <= MOST_PARAMETERS, f"{file}::{node.name}"


def test_only_the_command_line_prints():
    for file in modules():
        if not file.startswith("cli/"):
            assert "print" not in calls(file), file
