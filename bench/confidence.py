"""How far a run's confidence and its explanations can be trusted, measured on the test split.

    python -m bench.confidence RUN [--texts 200]

RUN is any run under VERDICT_RUNS. Confidence: the temperature that was fitted on validation, the expected calibration
error before and after it, and what sets of labels were worth that promise to hold the true one. Explanations: of the
first so many test texts, how far the confidence moves without the weightiest words and with nothing but them, beside
orders of the words drawn by chance. Prints a table, and writes docs/results/<recipe>/<id>/confidence.json, from which
`python -m train results` takes it.
"""

from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from core import confidence, explain, predictor, reading, runs, texts
from core.errors import InputError
from core.explain import Explanation
from core.files import PROJECT, write_json
from core.predictor import Predictor
from core.runs import Run
from core.wording import figure
from train.confidence import FILE
from train.failure import told

RESULTS = PROJECT / "docs" / "results"


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    n: Annotated[int, typer.Option("--texts", help="test texts whose explanations are measured", min=1)] = 200,
) -> None:
    """Measure a run's confidence and its explanations."""
    found = runs.find(run)
    measured = measure(found, n)
    Console().print(table(found.name, measured))
    path = RESULTS / found.name / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, measured)


def measure(run: Run, n: int) -> dict[str, Any]:
    """What is written: calibration, coverage, and faithfulness over the first `n` test texts of two words or more."""
    trust = confidence.of_record(run.record)
    frame = texts.of_record(run.record, "test").head(n)
    explained = explanations(predictor.load(run.model), frame, trust.temperature)
    return {
        "temperature": trust.temperature,
        "ece_before": trust.before,
        "ece_after": trust.after,
        "coverage": [asdict(each) for each in trust.found.values()],
        "explanations": faithfulness(explained) | {"texts": len(frame)},
    }


def explanations(model: Predictor, frame: pd.DataFrame, temperature: float) -> list[Explanation]:
    """Of each text, and of both texts of a pair; a text of a single word has none."""
    pairs = frame["text_pair"] if "text_pair" in frame else [None] * len(frame)
    found = []
    for text, pair in track(list(zip(frame["text"], pairs, strict=True)), description="Leaving out words"):
        try:
            read = reading.read(model, text, pair, temperature=temperature)
            found += [explain.explain(*part) for part in reading.parts(model, read, pair, temperature)]
        except InputError:
            continue
    return found


def faithfulness(found: list[Explanation]) -> dict[str, float | int | None]:
    """Means over explanations; None where there are none."""

    def mean(values: list[float]) -> float | None:
        return float(np.mean(values)) if values else None

    return {
        "n": len(found),
        "faithful": mean([float(each.faithful) for each in found]),
        "comprehensiveness": mean([each.comprehensiveness for each in found]),
        "random_comprehensiveness": mean([float(each.random_comprehensiveness.mean()) for each in found]),
        "sufficiency": mean([each.sufficiency for each in found]),
        "random_sufficiency": mean([float(each.random_sufficiency.mean()) for each in found]),
    }


def table(name: str, measured: dict[str, Any]) -> Table:
    """The figures, a row each."""
    shown = Table("figure", "value", title=name)
    for key in ("temperature", "ece_before", "ece_after"):
        shown.add_row(key, figure(measured[key]))
    for each in measured["coverage"]:
        held = f"{figure(each['found'])} ({figure(each['low'])} to {figure(each['high'])})"
        shown.add_row(f"coverage at {each['asked']:.0%}", held)
        shown.add_row(f"sure at {each['asked']:.0%}", f"{figure(each['sure'])}, right: {figure(each['right'])}")
    for key, value in measured["explanations"].items():
        shown.add_row(f"explanations: {key}", f"{value:,}" if isinstance(value, int) else figure(value))
    return shown


if __name__ == "__main__":
    with told():
        typer.run(main)
