"""The Evaluation page over a million predictions: how long the server takes for what people do there, and its memory.

    python -m bench.million [--examples 1000000] [--rounds 5] [--labels 8 --labels 2]

Makes complete runs in a temporary VERDICT_RUNS, of 8 labels and of 2 (only these have a threshold): logits drawn by
chance, as many examples in validation as in test, ids and hashes of 32 and 64 signs, two columns to slice by, no texts.
A process of its own loads the page as a session would, and then goes from view to view by the address, as clicks do.
The time is that of the whole script run; each kind of interaction is timed over different choices, none of which was
made before, then over the same ones again. The last row is another session's first look. Prints a table for each run,
writes bench/results/million.json, and exits with 1 where the median of a kind of interaction is over 1 second, or the
peak resident memory of the process over 1.5 GB.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core import machine
from core.files import PROJECT, write_json
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "million.json"
SECONDS, GB = 1.0, 1.5
OPENING = "first look at test", "first look at validation", "another session's first look"
"""What is timed but not held to the bar: a split is read once, whoever looks at it."""
LENGTH = 256
"""Tokens that are read."""
RESAMPLES = 10
"""A million examples' intervals are made when a run is, in minutes; for the page ten resamples do."""
END = 1800

Address = dict[str, str]
Times = dict[str, dict[str, list[float]]]
"""By kind of interaction, seconds of the `first` time and `again`."""


def main(
    n: Annotated[int, typer.Option("--examples", help="in test, and in validation", min=1000)] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="choices of each kind", min=1)] = 5,
    labels: Annotated[list[int], typer.Option(help="numbers of labels")] = [8, 2],  # noqa: B006  typer copies it
    job: Annotated[str, typer.Option(hidden=True, help="make or visit: what a process of its own does")] = "",
) -> None:
    """Make the runs, visit their page, and print what it took."""
    if job:
        print(json.dumps({"make": make, "visit": visit}[job](n, labels[0], rounds)))
        return
    found = {}
    for k in labels:
        with tempfile.TemporaryDirectory() as folder:
            _process("make", n, k, rounds, folder)
            found[k] = _process("visit", n, k, rounds, folder)
        Console().print(table(k, n, found[k]))
    write_json(RESULTS, {"processor": machine.processor(), "examples": n, "rounds": rounds, "labels": found})
    raise typer.Exit(0 if all(good(each) for each in found.values()) else 1)


def make(n: int, k: int, rounds: int) -> str:
    """A complete run with n predictions in test and in validation; returns its name."""
    import numpy as np
    import pandas as pd

    from core import calibration, metrics, recipe, runs
    from core.metrics import Outcome
    from core.predictions import Predictions

    rng, names = np.random.default_rng(k), tuple(f"label {number}" for number in range(k))

    def hexadecimal(signs: int) -> Any:
        return np.array([rng.bytes(signs // 2).hex() for _ in range(n)])

    def predictions() -> Predictions:
        labels, lengths = rng.integers(0, k, n), rng.lognormal(4.8, 0.8, n).astype(int) + 2
        logits = rng.normal(size=(n, k)).astype(np.float32)
        logits[np.arange(n), labels] += 1.5
        return Predictions(hexadecimal(32), hexadecimal(64), labels, logits, lengths, lengths > LENGTH)

    source = {"file": "gone.parquet", "slices": ["shop", "topic"]}
    given = {"name": "million", "title": "A million", "labels": list(names), "encoder": "minilm", "data": source}
    run = runs.create(recipe.parse(given, "million"))
    splits, leaked = {}, {}
    for name in ("validation", "test"):
        found = predictions()
        columns = {"shop": rng.integers(0, 12, n).astype(str), "topic": rng.integers(0, 300, n).astype(str)}
        run.write_predictions(name, found)
        run.write_slices(name, pd.DataFrame({"id": found.id, "conflict": rng.random(n) < 0.01, **columns}))
        leaked[name] = found.id[rng.random(n) < 0.01].tolist()
        splits[name] = metrics.summary(Outcome.of_logits(found.logits, found.label), names, RESAMPLES)
        temperature = calibration.fit(found) if name == "validation" else temperature  # noqa: F821  of the round before
    rivals = {name: {"accuracy": {"value": 1 / k, "low": None, "high": None}} for name in ("majority", "tfidf")}
    run.write_json("data.json", {"audit": {"leaked": leaked}, "baselines": rivals})
    run.write_json("metrics.json", {"schema": 1, "labels": names, "temperature": temperature, "splits": splits})
    return run.name


def visit(n: int, k: int, rounds: int) -> dict[str, Any]:
    """Seconds by kind of interaction, what went wrong, and the process's peak resident memory in GB (1e9 bytes)."""
    from streamlit.components.v2 import manifest_scanner
    from streamlit.testing.v1 import AppTest

    from core import runs

    manifest_scanner.scan_component_manifests = list  # else every test app looks through all installed packages

    (run,) = runs.every()
    times: Times = {}

    def look(app: AppTest, kind: str, when: str, address: Address) -> AppTest:
        app.query_params.clear()
        for key, value in {"model": run.name, **address}.items():
            app.query_params[key] = value
        began = time.perf_counter()
        app.run()
        times.setdefault(kind, {}).setdefault(when, []).append(time.perf_counter() - began)
        if app.exception or app.error:
            raise SystemExit(f"{kind}, {address}: {[each.value for each in [*app.exception, *app.error]]}")
        return app

    def session() -> AppTest:
        return AppTest.from_file(str(PROJECT / "pages" / "Evaluation.py"), default_timeout=END)

    app = look(session(), OPENING[0], "first", {})
    slices = app.selectbox(key="slice").options
    look(app, OPENING[1], "first", {"split": "validation"})
    for when in ("first", "again"):
        for kind, addresses in interactions(k, slices, rounds).items():
            for address in addresses:
                look(app, kind, when, address)
    look(session(), OPENING[2], "first", {})
    return {"seconds": times, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


def interactions(k: int, slices: list[str], rounds: int) -> dict[str, list[Address]]:
    """What people do on the page, by kind: addresses that clicks lead to, of each kind so many as there are rounds."""
    tabs, splits = ("By label", "Slices", "Confidence", "Coverage"), ("test", "validation")
    found = {
        "a cell of the matrix": [
            {"true": f"label {i}", "decided": f"label {j}"} for i in range(k) for j in reversed(range(k))
        ],
        "a name of the matrix": [{key: f"label {i}"} for i in range(k) for key in ("true", "decided")],
        "a name, right ones too": [
            {key: f"label {i}", "mistakes": "off"} for i in range(k) for key in ("true", "decided")
        ],
        "another slice": [{"slice": name} for name in slices[:: max(1, len(slices) // rounds)]],
        "all of a slice": [{"slice": name, "mistakes": "off"} for name in slices[1 :: max(1, len(slices) // rounds)]],
        "all examples": [{"mistakes": "off", "split": split} for split in splits],
        "another page": [{"page": str(number)} for number in (2, 3, 50, 700, 9000)],
        "cells as shares": [{"cells": f"Of the {which} label"} for which in ("true", "decided")],
        **{f"tab {tab}": [{"look": tab, "split": split} for split in splits] for tab in tabs},
    }
    if k > 3:
        found["order of the labels"] = [{"order": "Similar together", "split": split} for split in splits]
    if k == 2:
        at = (str(each / 100) for each in range(3, 98))
        found["another threshold"] = [{"threshold": next(at)} for _ in range(rounds)]
        found["all examples, another threshold"] = [{"threshold": next(at), "mistakes": "off"} for _ in range(rounds)]
        for tab in (*tabs, "Threshold"):
            found[f"tab {tab}, another threshold"] = [{"threshold": next(at), "look": tab} for _ in range(rounds)]
    return {kind: addresses[:rounds] for kind, addresses in found.items()}


def rows(found: dict[str, Any]) -> Iterator[tuple[str, float, float, float | None]]:
    """A row a kind: its name, median and most of the first times, median of the same choices again if they were."""
    for kind, seconds in found["seconds"].items():
        again = median(seconds["again"]) if "again" in seconds else None
        yield kind, median(seconds["first"]), max(seconds["first"]), again


def good(found: dict[str, Any]) -> bool:
    """Whether memory and every interaction kept to their bars."""
    return found["peak_gb"] <= GB and all(usual <= SECONDS for kind, usual, *_ in rows(found) if kind not in OPENING)


def table(k: int, n: int, found: dict[str, Any]) -> Table:
    """Seconds by kind of interaction."""
    title = f"{n:,} predictions, {k} labels: peak memory {found['peak_gb']:.2f} GB"
    shown = Table("interaction", "seconds (median)", "most", "again (median)", title=title)
    for kind, *seconds in rows(found):
        shown.add_row(kind, *("" if each is None else f"{each:.2f}" for each in seconds))
    return shown


def _process(job: str, n: int, k: int, rounds: int, folder: str) -> Any:
    """What a job prints, in a process of its own: making a run takes more memory than looking at it."""
    command = [sys.executable, "-m", "bench.million", "--job", job, "--examples", str(n), "--labels", str(k)]
    command += ["--rounds", str(rounds)]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | {"VERDICT_RUNS": folder}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    with told():
        typer.run(main)
