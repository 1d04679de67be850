"""Other tools on the same folder, each in an environment of its own, as whole processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import other_models
from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.timing import Ratio, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Peers"
_SCRIPTS = Path(__file__).parents[1] / "peers"
_SAME = "The same weights in the tool's own layout, float32."


@dataclass(frozen=True)
class Peer:
    """A tool: what to install, how to run it, and whether it only embeds."""

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    embeds_only: bool
    remark: str


def _script(name: str, weights: str) -> tuple[str, ...]:
    return ("{python}", str(_SCRIPTS / f"run_{name}.py"), "{folder}", weights, "{out}")


_TORCH = (
    f"torch=={version('torch').partition('+')[0]}",
    f"torchvision=={version('torchvision').partition('+')[0]}",
)
_PEERS = (
    Peer(
        "transformers",
        (*_TORCH, "transformers", "pillow"),
        _script("transformers", "{transformers}"),
        True,
        f"`image-feature-extraction` pipeline, 16 at once. {_SAME}",
    ),
    Peer(
        "timm",
        (*_TORCH, "timm"),
        _script("timm", "{timm}"),
        True,
        f"Model and transform as its documentation shows them, 16 at once. {_SAME}",
    ),
    Peer(
        "imcluster",
        (*_TORCH, "imcluster"),
        (
            *(
                "{python}",
                "{bin}/imcluster",
                "{folder}",
                "--recursive",
                "--model",
                "{transformers}",
            ),
            *("--clustering", "kmeans", "--n-clusters", "20", "--device", "cpu", "--no-open"),
            *("--cache", "{out}.parquet", "--gallery", "{out}.html"),
        ),
        False,
        f"K-Means with its default UMAP, an HTML gallery, no folders. {_SAME}",
    ),
    Peer(
        "tasnif",
        (*_TORCH, "tasnif[cli]"),
        (
            *("{python}", "{bin}/tasnif", "cluster", "{folder}", "--output", "{out}"),
            *("--model", "local-dir:{timm}", "--clusters", "20", "--device", "cpu"),
        ),
        False,
        f"K-Means with its default PCA, folders and grids. {_SAME}",
    ),
    Peer(
        "imagededup",
        (*_TORCH, "imagededup"),
        _script("imagededup", "{torchscript}"),
        True,
        "Its CNN method, our model traced as its custom model; finds duplicates, no clusters.",
    ),
    Peer(
        "clustimage",
        ("clustimage",),
        _script("clustimage", "none"),
        False,
        "Its own features (PCA of pixels): no deep model, so far less work, and worse clusters.",
    ),
    Peer(
        "fastdup",
        ("fastdup",),
        _script("fastdup", "none"),
        False,
        "Its own small model (which it does not let one replace), components of similar pictures.",
    ),
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Time of each tool's whole process over ours, pair by pair."""
    if context.peers is None:
        raise SystemExit("the row 'peers' needs --peers DIR, where the environments are made")
    count = context.size(300, 60)
    folder = small_photos(context.sources, count, os.path.join(context.scratch, f"small{count}"))
    weights = other_models.write_all(os.path.join(context.scratch, "weights"))
    figures, notes = [], []
    for peer in _PEERS:
        try:
            ratio = _ratio(peer, folder, weights, context)
        except RuntimeError as error:
            notes.append(f"{peer.name} could not be measured: {error}")
            continue
        job = "embedding" if peer.embeds_only else "main job"
        text = f"{peer.name}, {count} small JPEGs: its time over ours ({job}, no cache)"
        target = 1.0 if "weights" in peer.remark or peer.name == "imagededup" else None
        figures.append(
            Figure(ROW, text, **ratio.fields(), target=target, remark=f"{peer.name}: {peer.remark}")
        )
    return figures, notes


def _ratio(peer: Peer, folder: str, weights: Mapping[str, str], context: Context) -> Ratio:
    python = _environment(peer, str(context.peers))
    out = os.path.join(context.scratch, f"peer-{peer.name}")
    places = {"python": python, "bin": os.path.dirname(python), "folder": folder, "out": out}
    theirs = [word.format(**places, **weights) for word in peer.command]
    mine_out = os.path.join(context.scratch, "peer-ours.npz" if peer.embeds_only else "peer-ours")
    ours = [sys.executable, "-m", "itae_cluster"]
    ours += ["embed", folder, "-o"] if peer.embeds_only else [folder, "--k", "20", "-o"]
    ours += [mine_out, "--model", "mini", "--no-cache", "--quiet"]
    ratios = []
    for _ in range(context.size(3, 1)):
        theirs_took = _timed(theirs, out)
        ratios.append(theirs_took / _timed(ours, mine_out))
    return Ratio.of(ratios)


def _environment(peer: Peer, folder: str) -> str:
    """The interpreter of the peer's own environment, made where it is missing."""
    place = os.path.join(folder, peer.name)
    python = os.path.join(place, "bin", "python")
    if not os.path.exists(python):
        venv.create(place, with_pip=True)
        _run([python, "-m", "pip", "install", "--quiet", *peer.requirements])
    return python


def _timed(command: list[str], out: str) -> float:
    """Wall time of the process, after its earlier results were removed."""
    shutil.rmtree(out, ignore_errors=True)
    for rest in Path(os.path.dirname(out)).glob(f"{os.path.basename(out)}*"):
        shutil.rmtree(rest, ignore_errors=True) if rest.is_dir() else rest.unlink()
    return seconds(lambda: _run(command))


def _run(command: list[str]) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "ITAE_CLUSTER_OFFLINE": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **offline}
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise RuntimeError(said[-1][:200])
