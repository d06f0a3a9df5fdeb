"""From the start of a process to the first page, and to the first bars, against the plain app that people write.

    python -m bench.cold RUN [--rounds 5]

The plain app is one file: `pipeline` in st.cache_resource, a box, and a bar chart. RUN is a run under VERDICT_RUNS; it
is exported, and both read it from this machine. Each start is a process of its own that loads the page as the server
would; the apps take turns. The very first start with a model, when the reference answers while backends are tried, is
told apart. Prints a table, writes bench/results/cold.json, and exits with 1 where our first page takes more than half
the time of the plain one, or our first bars longer.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from core import fastest, machine, runs
from core.files import PROJECT, write_json
from core.runs import Run
from train.export import export
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "cold.json"
PAGE_SHARE, BARS_SHARE = 0.5, 1.0
PLAIN = """
import streamlit as st
from transformers import pipeline

st.title("Review classifier")

@st.cache_resource
def load():
    return pipeline("text-classification", model={folder!r}, top_k=None)

classify = load()
text = st.text_area("Your review", key="text")
if text:
    scores = {{each["label"]: each["score"] for each in classify(text, truncation=True)[0]}}
    st.header(max(scores, key=scores.get))
    st.bar_chart(scores)
"""
VISIT = """
import json, sys, time
from streamlit.testing.v1 import AppTest

app = AppTest.from_file(sys.argv[1], default_timeout=300)
if len(sys.argv) > 2:
    app.query_params["model"] = sys.argv[2]
app.run()
page = time.time()
app.text_area(key="text").input("A lovely book, and a dull film.").run()
assert app.header and not app.exception and not app.error
print(json.dumps([page, time.time()]))
"""


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    rounds: Annotated[int, typer.Option(help="starts of each app", min=1)] = 5,
) -> None:
    """Start both apps again and again."""
    found = runs.find(run)
    with tempfile.TemporaryDirectory(prefix="verdict-") as name:
        folder = Path(name)
        copy = Run(Path(shutil.copytree(found.path, folder / "runs" / found.name)))
        export(copy)
        plain = folder / "plain.py"
        plain.write_text(PLAIN.format(folder=str(copy.model)), encoding="utf-8")
        # For the processes that are started from here.
        os.environ |= {"VERDICT_RUNS": str(folder / "runs"), "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
        visits = {"plain": (str(plain),), "ours": (str(PROJECT / "pages" / "Classify.py"), copy.name)}
        first = _visit(*visits["ours"])
        _visit(*visits["plain"])
        fastest.choose_apart(copy.model)  # as the app does in those seconds that a visit does not last
        times: dict[str, list[tuple[float, float]]] = {app: [] for app in visits}
        for _ in track(range(rounds), description="Starting"):
            for app, given in visits.items():
                times[app].append(_visit(*given))
    shown = {app: [median(each[step] for each in found) for step in (0, 1)] for app, found in times.items()}
    table = Table("", "plain app, s", "ours, s", "ours / plain", "ours, the very first time")
    for step, what in enumerate(("first page", "first bars")):
        ratio = shown["ours"][step] / shown["plain"][step]
        table.add_row(
            what, f"{shown['plain'][step]:.2f}", f"{shown['ours'][step]:.2f}", f"{ratio:.2f}", f"{first[step]:.2f}"
        )
    Console().print(table)
    write_json(RESULTS, {"processor": machine.processor(), "first": first, "times": times, "median": shown})
    page, bars = (shown["ours"][step] / shown["plain"][step] for step in (0, 1))
    raise typer.Exit(0 if page <= PAGE_SHARE and bars <= BARS_SHARE else 1)


def _visit(*given: str) -> tuple[float, float]:
    """Seconds from the start of a process to the first page, and to the first bars."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", VISIT, *given], cwd=PROJECT, check=True, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    page, bars = json.loads(done.stdout.splitlines()[-1])
    return page - began, bars - began


if __name__ == "__main__":
    with told():
        typer.run(main)
