"""A process counts the cores that it may use, not those of the machine."""

from __future__ import annotations

import os

import pytest

from itae_cluster.core import cores
from itae_cluster.pictures.decoders import decoder_count


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets how many cores a process is bound to, and what its control group allows."""

    def set_up(bound, files=None):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(bound)), raising=False)
        monkeypatch.setattr(cores, "_CGROUPS", str(tmp_path))
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return set_up


def version_1(quota):
    return {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({}, 16),
        ({"cpu.max": "max 100000\n"}, 16),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, 16),
        (version_1("-1\n"), 16),
        (version_1("300000\n"), 3),
    ],
)
def test_the_quota_of_a_control_group_counts(machine, files, usable):
    machine(16, files)
    assert cores.usable_cores() == usable


@pytest.mark.parametrize(
    ("bound", "decoders"), [(1, 1), (2, 2), (3, 3), (4, 3), (16, 15), (64, 63)]
)
def test_all_cores_decode_but_one_where_there_are_many(machine, bound, decoders):
    machine(bound)
    assert decoder_count() == decoders


def test_where_nobody_tells_the_cores_of_the_machine_count(monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "_CGROUPS", str(tmp_path))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.usable_cores() == 1
