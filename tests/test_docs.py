"""Documentation that can be checked is checked."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from itae_cluster import __version__
from itae_cluster.cli import app
from itae_cluster.cli.interrupts import INTERRUPTED
from itae_cluster.core import errors

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_command_line_reference_is_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate_cli.py"), "--check"], check=False
    )
    assert done.returncode == 0, "run python docs/generate_cli.py"


def test_every_command_is_explained():
    def check(command):
        assert command.help, command.name
        for parameter in command.params:
            assert parameter.help, (command.name, parameter.name)
        for child in getattr(command, "commands", {}).values():
            check(child)

    check(get_command(app))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_functions_in_the_docs_exist(page):
    for name in re.findall(r"`(itae_cluster(?:\.\w+)+)`", page.read_text(encoding="utf-8")):
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            break
        for part in parts[cut:]:
            found = getattr(found, part)


def command_lines(text):
    """Every `itae-cluster …` of a page, in a block or within a line, as words."""
    blocks = re.findall(r"^(?:    |\$ )*((?:[\w.-]+ )*itae-cluster .*)$", text, re.M)
    inline = re.findall(r"`(itae-cluster [^`]+)`", " ".join(text.split()))
    for line in [*blocks, *inline]:
        if "`" not in line and "|" not in line.partition("itae-cluster")[0]:
            called = line[line.index("itae-cluster") :].replace("\\", "/")
            yield shlex.split(re.split(r" \| | [>&;]", called)[0], comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_the_docs_exist(page):
    if page.name == "CHANGELOG.md":
        return  # it also tells of what was
    for words in command_lines(page.read_text(encoding="utf-8")):
        command, known = get_command(app), set()
        first = next(iter(words), "-")
        assert first in command.commands or not re.fullmatch("[a-z]+", first), words
        for word in words:
            if word not in getattr(command, "commands", {}):
                break  # what follows may be a value, such as that of --action move
            command = command.commands[word]
        if command.name == "itae-cluster":
            known |= {option for param in command.params for option in param.opts}
            command = command.commands["cluster"]
        known |= {option for param in command.params for option in param.opts}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known | {"--help"}, (words, command.name)


def test_every_equation_has_its_function():
    text = read("docs/method.md")
    for equation in range(1, 7):
        assert re.search(rf"\| Eq\. {equation} \|.*`itae_cluster\.", text)


def test_every_exit_code_is_documented():
    tree = [errors.ItaeClusterError]
    for kind in tree:
        tree += kind.__subclasses__()
    codes = {0, INTERRUPTED} | {kind.exit_code for kind in tree}
    documented = {
        int(code) for code in re.findall(r"^\| (\d+) \|", read("docs/exit-codes.md"), re.M)
    }
    assert codes == documented


def test_every_error_stands_in_the_tree():
    for name in errors.__all__:
        assert re.search(rf"{name} +exit {getattr(errors, name).exit_code} ", errors.__doc__)


def test_the_version_is_the_same_everywhere():
    assert f'version = "{__version__}"' in read("pyproject.toml")
    assert re.search(rf"^version: {re.escape(__version__)}$", read("CITATION.cff"), re.M)


def test_the_changelog_begins_with_what_is_next_or_with_this_version():
    headings = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.M)
    assert headings[0] in {"Unreleased", __version__}
    assert headings.count(headings[0]) == 1


def test_every_model_is_documented():
    from itae_cluster.model.registry import VARIANTS

    text = read("docs/models.md")
    for variant in VARIANTS.values():
        assert f"`{variant.name}`" in text


def test_the_architecture_page_shows_every_package():
    text = read("docs/architecture.md")
    picture = text.split("```")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.M))
    packages = {path.parent.name for path in ROOT.glob("itae_cluster/*/__init__.py")}
    assert rows.keys() == packages
    for name, row in rows.items():
        assert re.search(rf"\b{name}\b", picture), name
        described = importlib.import_module(f"itae_cluster.{name}").__doc__.splitlines()[0]
        assert row == described, f"say the same of {name} on the page and in its docstring"


def test_the_floors_of_the_architecture_page_are_those_of_the_contract():
    picture = read("docs/architecture.md").split("```")[1]
    contract = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    packages = {path.parent.name for path in ROOT.glob("itae_cluster/*/__init__.py")}
    floors = [set(re.findall(r"\w+", line.partition("│")[2])) for line in picture.splitlines()]
    shown = [floor for floor in floors if floor & packages]
    assert shown == [{*layer.split(" | ")} for layer in contract["layers"] if layer != "__main__"]


def test_files_that_the_architecture_page_names_exist():
    text = read("docs/architecture.md")
    for name in re.findall(r"`([\w./]+/[\w.]+\.(?:py|md))`", text):
        if "NAME" not in name:
            assert (ROOT / name).exists() or (ROOT / "itae_cluster" / name).exists(), name


def test_every_promise_is_held_by_a_test():
    section = read("docs/safety.md").split("## The promises")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert re.search(rf"^def {test}\(", read(file), re.M), (file, test)


def test_every_record_of_the_journal_is_documented():
    from itae_cluster.results import journal

    documented = set(re.findall(r"^\| `(\w+)` \|", read("docs/safety.md"), re.M))
    known = set(re.findall(r"`(\w+)`", journal.__doc__)) - {"step"}
    assert known <= documented | {"s"}
    assert {"journal", "step"} <= documented
