"""Options: what is read from the command line, what is refused, how documents tell it."""

from __future__ import annotations

import math

import pytest

from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import (
    CalibrationOptions,
    DeviceName,
    ModelOptions,
    parse_theta,
    theta_text,
)
from support.command_line import run_cli


@pytest.mark.parametrize(
    ("text", "theta"),
    [("auto", "auto"), ("off", None), ("0", 0.0), ("2.75", 2.75), ("3", 3.0), ("inf", None)],
)
def test_theta_is_read_once_and_told_as_it_was(text, theta):
    assert parse_theta(text) == theta
    assert theta_text(parse_theta(text)) == ("off" if text == "inf" else text)


def test_no_digit_of_a_theta_is_lost():
    assert parse_theta(theta_text(2.123456789)) == 2.123456789


@pytest.mark.parametrize("text", ["", "three", "nan", "-1", "-0.001"])
def test_what_is_no_theta_is_refused(text):
    with pytest.raises(UsageError, match=r"--theta .* give a number"):
        parse_theta(text)


@pytest.mark.parametrize("theta", [-1.0, math.nan])
def test_options_take_no_theta_that_no_norm_could_have(theta):
    with pytest.raises(UsageError, match="--theta"):
        ModelOptions(theta=theta)
    with pytest.raises(UsageError, match="--theta"):
        CalibrationOptions(thetas=(theta, 3.0))


@pytest.mark.parametrize("command", ["cluster", "embed", "eval", "attention"])
def test_a_negative_theta_is_an_error_of_usage_on_one_line(album, command):
    out = {"embed": ["-o", "v.npz"], "attention": ["--out", "a.png"]}.get(command, [])
    result = run_cli(command, album, *out, "--theta", "-1", code=2)
    assert result.stderr.startswith("error: --theta -1: norms are never negative; give a number")
    assert result.stderr.count("\n") == 1


def test_documents_tell_the_model():
    assert ModelOptions().record() == {
        "model": "auto",
        "weights": None,
        "theta": "auto",
        "size": 224,
        "device": DeviceName.AUTO,
        "batch_size": None,
        "offline": False,
        "precision": "auto",
        "engine": "auto",
        "max_pixels": 400_000_000,
    }
    assert ModelOptions(theta=None, size=28).record()["theta"] == "off"
    assert ModelOptions(theta=3.0).record()["theta"] == "3"


def test_theta_0_is_not_off(album, tiny_weights):
    words = [album, "--k", "2", "--weights", tiny_weights, "--size", "28", "--theta", "0", "-v"]
    result = run_cli(*words, code=0)
    assert ", theta 0\n" in result.stderr
