"""Matplotlib keeps its list of fonts with us, and is silent where it cannot be kept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MEASURE = """
from itae_cluster.drawing.typeface import Typeface
assert Typeface(12).width("a") > 0
import matplotlib
print(matplotlib.get_cachedir())
"""


def measured(**variables):
    """Where the list went, and what was said."""
    kept = {key: value for key, value in os.environ.items() if key != "MPLCONFIGDIR"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], env={**kept, **variables}, capture_output=True, check=True
    )
    return done.stdout.decode().strip(), done.stderr.decode()


@pytest.mark.slow
def test_the_list_of_fonts_is_kept_in_our_cache(tmp_path):
    cache = str(tmp_path / "cache")
    folder, said = measured(ITAE_CLUSTER_CACHE=cache, HOME=str(tmp_path))
    assert folder == os.path.join(cache, "matplotlib")
    assert any(name.startswith("fontlist") for name in os.listdir(folder))
    assert os.listdir(tmp_path) == ["cache"]
    assert said == ""


@pytest.mark.slow
def test_nothing_is_said_where_no_folder_can_be_made(tmp_path):
    nowhere = os.path.join(os.devnull, "nowhere")
    _, said = measured(
        ITAE_CLUSTER_CACHE=nowhere, HOME=nowhere, XDG_CACHE_HOME=nowhere, XDG_CONFIG_HOME=nowhere
    )
    assert said == ""


def test_the_users_own_folder_stays_theirs(tmp_path):
    folder, _ = measured(ITAE_CLUSTER_CACHE=str(tmp_path / "a"), MPLCONFIGDIR=str(tmp_path / "b"))
    assert folder == str(tmp_path / "b")
