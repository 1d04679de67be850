"""Runs the grid, writes docs/quality.json, and makes the tables of docs/quality.md and
docs/quality-tables.md anew.

    python tests/benchmarks/quality [FOLDER…] [--model NAME] [--weights FILE] [--seeds N]
    python tests/benchmarks/quality --draws N FOLDER…
    python tests/benchmarks/quality --limits
    python tests/benchmarks/quality --names FOLDER…

FOLDERs hold labelled pictures, a subfolder a class. `--draws` looks for k in N random sets of
each instead, `--limits` tries every recipe on 100,000 synthetic embeddings, `--names` judges the
suggested names of clusters where folders are called by nouns of WordNet. `--render` only makes
the tables anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a folder, not as a module

from benchmarks.quality import criteria, data, grid, limits, naming, tables
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.clustering.choose_k import ScoredSample, candidates
from itae_cluster.core.cache import open_cache
from itae_cluster.core.options import CacheOptions, ModelOptions, theta_text
from itae_cluster.model.registry import MINI, MINI_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.data import Labelled
    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Reporter

_MANY = 100_000
_LISTED = ("clusters", "noise", "acc", "ari", "nmi", "small", "small_found")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/quality", description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--weights")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draws", type=int, metavar="N", help="look for k in random sets")
    parser.add_argument("--limits", action="store_true", help="100,000 embeddings a recipe")
    parser.add_argument("--names", action="store_true", help="judge the names of clusters")
    parser.add_argument("--render", action="store_true", help="make the tables anew, and no more")
    asked = parser.parse_args(arguments)
    if asked.limits:
        _keep({"limits": limits.measure_all(_MANY)})
    elif not asked.render:
        reporter = ConsoleReporter(quiet=False, verbose=False)
        model = ModelOptions(model=asked.model, weights=asked.weights)
        with open_cache(CacheOptions(), reporter) as cache:
            if asked.names:
                _keep({"names": list(_named(asked.folders, cache, reporter))})
            elif asked.draws:
                _keep(
                    {"draws": list(_looked_for(asked.folders, asked.draws, model, cache, reporter))}
                )
            else:
                wholes = _embedded(asked.folders, model, cache, reporter)
                for results in _measured(wholes, asked.seeds, cache, reporter):
                    _keep({"model": _called(model), **results})
    for page, text in tables.pages_with_tables().items():
        page.write_text(text, encoding="utf-8")


def _called(model: ModelOptions) -> str:
    """Its name, and which `mini` it is."""
    bundled = model.model == MINI and model.weights is None
    return f"{MINI} {max(MINI_VERSIONS.values())}" if bundled else model.model


def _keep(results: dict[str, Any]) -> None:
    """Put results in the place of those of the same kind."""
    kept = json.loads(tables.RESULTS.read_text(encoding="utf-8")) if tables.RESULTS.exists() else {}
    tables.RESULTS.write_text(_json({**kept, **results}), encoding="utf-8")


def _looked_for(
    folders: Sequence[str], draws: int, model: ModelOptions, cache: Cache, reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """Of each folder: the classes of sets drawn at random, and the numbers that were found."""
    for folder in folders:
        whole = data.embed_folder(folder, replace(model, theta=None), cache, reporter)
        sets = [one for number in range(draws) if (one := data.drawn(whole, number)) is not None]
        found = [
            criteria.taken(ScoredSample(one.vectors, number), candidates(len(one.vectors), None))
            for number, one in enumerate(sets)
        ]
        print(f"{whole.name}: {len(sets)} sets", flush=True)
        yield {
            "data": whole.name,
            "pictures": len(whole.truth),
            "in": len(np.unique(whole.truth)),
            "classes": [len(np.unique(one.truth)) for one in sets],
            "found": {name: [each[name] for each in found] for name in found[0]},
        }


def _named(folders: Sequence[str], cache: Cache, reporter: Reporter) -> Iterator[dict[str, Any]]:
    """How the clusters of each folder are called; only `mini` knows names."""
    with tempfile.TemporaryDirectory() as scratch:
        albums = [each for each in data.shipped(scratch) if Path(each).name == "demo"]
        for folder in (*folders, *albums):
            whole = data.embed_folder(folder, ModelOptions(model=MINI), cache, reporter)
            for entry in naming.judged(whole, cache):
                print(entry, flush=True)
                yield entry


def _embedded(
    folders: Sequence[str], model: ModelOptions, cache: Cache, reporter: Reporter
) -> list[Labelled]:
    """Every set without ITAE and, where the model has a θ, with it."""
    found: list[Labelled] = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in (*folders, *data.shipped(scratch)):
            plain = data.embed_folder(folder, replace(model, theta=None), cache, reporter)
            found.append(plain)
            patched = data.embed_folder(folder, replace(model, theta="auto"), cache, reporter)
            if patched.theta is not None:
                found.append(replace(patched, name=f"{patched.name}, ITAE"))
    return found


def _measured(
    wholes: Sequence[Labelled], seeds: int, cache: Cache, reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """All that is known after each seed."""
    runs: dict[tuple[str, ...], dict[str, Any]] = {}
    chosen: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    thetas = sorted({theta_text(whole.theta) for whole in wholes})
    for seed in range(seeds):
        for one in (part for whole in wholes for part in data.sets(whole, seed)):
            classes = len(np.unique(one.truth))
            ks = criteria.found(one.vectors, seed, cache)
            for criterion, number in ks.items():
                start = {"data": one.name, "classes": classes, "criterion": criterion, "found": []}
                chosen[one.name, criterion] = chosen[one.name, criterion] or start
                chosen[one.name, criterion]["found"].append(number)
            given = {"known": classes, "auto": next(iter(ks.values())), "found": None}
            for recipe in grid.RECIPES:
                for k in grid.numbers(recipe):
                    done = grid.run(one, recipe, k, given[k], seed, cache, reporter)
                    _add(runs, done.document())
            print(f"seed {seed}: {one.name}", flush=True)
        yield {
            "theta": ", ".join(thetas),
            "seeds": seed + 1,
            "runs": list(runs.values()),
            "chosen": list(chosen.values()),
        }


def _add(runs: dict[tuple[str, ...], dict[str, Any]], run: dict[str, Any]) -> None:
    """Put the values of one seed behind those of the seeds before."""
    del run["seed"]
    values = {key: run.pop(key) for key in _LISTED}
    entry = runs.setdefault(
        (run["data"], run["recipe"], run["k"]), {**run, **{key: [] for key in _LISTED}}
    )
    for key, value in values.items():
        entry[key].append(value)


def _json(results: dict[str, Any]) -> str:
    """One line an entry, so that changes can be read."""
    lines = []
    for key, value in sorted(results.items()):
        if isinstance(value, list):
            written = (json.dumps(entry, sort_keys=True, ensure_ascii=False) for entry in value)
            entries = ",\n".join(f"  {entry}" for entry in written)
            lines.append(f' "{key}": [\n{entries}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
