"""What is in the wheel, and that the source distribution holds all that its own tests need."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAPERS = {
    "LICENSE",
    "NOTICE",
    "itae_cluster/model/WORDNET-LICENSE.txt",
    "itae_cluster/preview/assets/vendor.LICENSES.txt",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist and the wheel, built without a network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    own = {name for name in names if name.startswith("itae_cluster/")}
    rest = names - own
    (about,) = {name.split("/")[0] for name in rest}
    assert about.endswith(".dist-info")
    assert {f"{about}/licenses/{paper}" for paper in PAPERS} <= rest
    assert not [name for name in own if "/build/" in name or "test" in name or ".pyc" in name]
    assert {"itae_cluster/model/mini.safetensors", "itae_cluster/py.typed"} <= own
    assert {"itae_cluster/model/mini-classes.safetensors", "itae_cluster/model/wordnet.json"} <= own
    assert "itae_cluster/preview/assets/vendor.min.js" in own


def test_the_source_distribution_holds_what_its_tests_need(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in ("itae_cluster", "tests", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    }
    wanted |= {"README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", ".ci/run"}
    assert not wanted - names
    assert names >= PAPERS
