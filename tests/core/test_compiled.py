"""Compiled code goes into the tool's own cache and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from itae_cluster.clustering.reduce import umap_reduce
from itae_cluster.core.files import cache_root

SCRIPT = """
from itae_cluster.core.compiled import choose_numba_cache
choose_numba_cache()
import numba, os
print(numba.config.CACHE_DIR)
assert os.access(numba.config.CACHE_DIR, os.W_OK)
"""


def chosen(**variables):
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**environment, **variables}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_kept_in_the_tools_cache_which_is_the_users_alone():
    folder = chosen()
    assert os.path.dirname(folder) == os.path.join(cache_root(), "numba")
    assert os.stat(folder).st_mode & 0o077 == 0


def test_what_the_user_has_set_is_respected(tmp_path):
    assert chosen(NUMBA_CACHE_DIR=str(tmp_path)) == str(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_that_others_can_write_to_is_not_read_from():
    folder = chosen()
    os.chmod(folder, 0o777)
    elsewhere = chosen()
    assert elsewhere != folder
    assert not os.path.exists(elsewhere)  # gone with the process


def test_a_cache_that_cannot_be_made_breaks_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    elsewhere = chosen(ITAE_CLUSTER_CACHE=str(tmp_path / "file"))
    assert not elsewhere.startswith(str(tmp_path / "file"))
    assert not os.path.exists(elsewhere)


@pytest.mark.slow
def test_umap_keeps_nothing_beside_its_own_source():
    umap_reduce(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32), 2, seed=0)
    from numba.core.dispatcher import Dispatcher
    from umap import distances, layouts, umap_, utils

    modules = (distances, layouts, umap_, utils)
    functions = [f for m in modules for f in vars(m).values() if isinstance(f, Dispatcher)]
    kept = {function.stats.cache_path for function in functions}
    assert kept
    assert all(path.startswith(os.environ["NUMBA_CACHE_DIR"]) for path in kept)
