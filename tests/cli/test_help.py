"""Help as it is read: on 80 columns, in groups, with two examples a command."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

import pytest
from typer.main import get_command

from itae_cluster import __version__
from itae_cluster.cli import app
from support.command_line import run_cli


def commands(command, words=()):
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*words, name))


ALL = list(commands(get_command(app)))


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*words):
        return run_cli(*words, code=0).output

    return invoke


def panels(text):
    """The rows of each panel, by its title."""
    found, rows = {}, []
    for line in text.splitlines():
        if title := re.match(r"╭─ ([^─]+) ─", line):
            rows = found.setdefault(title[1], [])
        elif line.startswith("│"):
            rows.append(line[2:-2])
    return found


def names(rows):
    """The first word of each row that begins in the first column, or beside an asterisk."""
    return [found[1] for row in rows if (found := re.match(r"(?:\*? {,4})?([a-z-]+) ", row))]


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda value: str(value)[:40])
def test_no_word_is_broken_at_80_columns(shown, words, command):
    text = shown(*words, "--help")
    assert max(map(len, text.splitlines())) <= 80
    there = set(text.replace("│", " ").split())
    for param in command.params:
        wanted = [*(param.help or "").split(), *param.opts, *(param.metavar or "").split()]
        for word in wanted:
            known = word in there or any(word in each for each in there if "," in each)
            assert known or param.param_type_name == "argument", word


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda value: str(value)[:40])
def test_every_command_has_two_examples_each_on_a_line_of_its_own(shown, words, command):
    text = shown(*words, "--help")
    examples = command.help.partition("Examples:\n\n")[2].splitlines()
    assert len(examples) == 2
    called = "itae-cluster " + " ".join(words)
    for example in examples:
        assert example in [line.strip() for line in text.splitlines()]
        short = words in {(), ("cluster",)} or "itae-cluster --" in example
        assert short or called in example or "$(itae-cluster" in example


def test_commands_stand_in_groups(shown):
    found = panels(shown("--help"))
    assert names(found["Sort pictures"]) == ["cluster", "plan", "apply", "update", "undo"]
    assert {"demo", "attention", "embed"} <= set(names(found["Look"]))
    assert {"rename", "merge", "split"} <= set(names(found["Change a result"]))
    assert names(found["As in the paper"]) == ["calibrate", "eval"]
    assert set(names(found["Models and cache"])) == {"info", "models", "cache"}


@pytest.mark.parametrize("command", ["cluster", "plan"])
def test_what_most_people_need_comes_first(shown, command):
    found = panels(shown(command, "--help"))
    assert names(found["Result"])[:3] == ["--k", "--out", "--action"]
    order = list(found)
    assert order.index("Result") < order.index("Pictures") < order.index("Model")
    assert order.index("Model") < order.index("Clustering in detail")
    assert order[-1] == "General"
    assert "--help" in names(found["General"])


def test_the_version_has_a_short_option(shown):
    assert shown("-V") == shown("--version") == f"itae-cluster {__version__}\n"


def test_info_tells_what_a_bug_report_needs(shown, monkeypatch):
    text = shown("info")
    for word in (
        __version__,
        "python",
        f"torch {version('torch')}",
        "scikit-learn",
        "rawpy",
        "mini ",
    ):
        assert word in text
    record = json.loads(shown("info", "--json"))
    assert record["device"].startswith(("cpu", "cuda", "mps"))
    assert record["models"]["mini"].endswith("mini.safetensors")
    assert record["cache"].endswith("embeddings.sqlite (empty)")
