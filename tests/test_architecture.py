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


def test_only_the_command_line_prints():
    for file in modules():
        if not file.startswith("cli/"):
            assert "print" not in calls(file), file
