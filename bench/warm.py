"""Everything in the cache: how long the app takes to a first classified review, with the Hub up and with it down.

    python -m bench.warm RUN [--rounds 5]

RUN is any run under VERDICT_RUNS. Its publication lies in the app's cache; the app has no runs. In each round the app
starts and classifies a review with the Hub up, with one that refuses connections, and with one that never answers, each
in processes of their own. The time is that of the server's process until it is healthy, and that of a process that
loads the page as the server would, from its beginning until the review is classified. Prints a table, writes
bench/results/warm.json, and exits with 1 where the median with the Hub down is over 1.2 times that with it up, or where
something else than the pinned model was shown.
"""

from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.trust import staged
from bench.trust_jobs import Cell, Row, start
from core import runs
from core.files import write_json
from train.failure import told
from train.localhub import faults

RESULTS = Path(__file__).parent / "results" / "warm.json"
ALLOWED = 1.2
REFUSING = "http://127.0.0.1:9"
"""nothing listens on the discard port"""
EXPECTED = {"up": "done", "refuses connections": "from the cache", "never answers": "from the cache"}


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    rounds: Annotated[int, typer.Option(help="starts of each kind", min=1)] = 5,
) -> None:
    """Start the app again and again, with the Hub up and down."""
    with staged(runs.find(run)) as stage, faults.nobody_accepts() as nobody:
        kinds = [Row("up", None), Row("refuses connections", None, endpoint=REFUSING)]
        kinds.append(Row("never answers", None, endpoint=nobody))
        found: dict[str, list[Cell]] = {row.name: [] for row in kinds}
        for _ in track(range(rounds), description="Starting the app"):
            for row in kinds:  # one after the other in each round: what else the machine does meets all of them
                found[row.name].append(start(stage, row))
    usual = median(cell.seconds for cell in found["up"])
    table = Table("the Hub", "seconds (median)", "least", "most", "times that with it up", "shown")
    good = True
    for name, cells in found.items():
        seconds, outcomes = [cell.seconds for cell in cells], {cell.outcome for cell in cells}
        ratio = median(seconds) / usual
        good &= ratio <= ALLOWED and outcomes == {EXPECTED[name]}
        spread = (f"{figure:.2f}" for figure in (median(seconds), min(seconds), max(seconds), ratio))
        table.add_row(name, *spread, ", ".join(sorted(outcomes)))
    Console().print(table)
    write_json(RESULTS, {name: [cell.seconds for cell in cells] for name, cells in found.items()})
    raise typer.Exit(0 if good else 1)


if __name__ == "__main__":
    with told():
        typer.run(main)
