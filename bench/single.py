"""One review at a time, against `transformers.pipeline` as a user would write it.

    python -m bench.single RUN [--reviews 120]

RUN is a run of MiniLM for single texts, under VERDICT_RUNS. Its model and one of DistilBERT's size (bench/subjects.py)
are exported, then read the same reviews, the pipeline and each backend by turns of five, each in a process of its own.
Prints medians and ratios, writes bench/results/single.json, and exits with 1 where `auto` is less than 4 times faster
at 32 tokens or 3 times at 128 and 256, or has not passed the parity gate.
"""

from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import subjects
from bench.readers import PIPELINE, Reader
from core import fastest, machine, runs
from core.backends import AUTO, REFERENCE, useful
from core.files import write_json
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "single.json"
TURN = 5
"""Reviews that a reader reads one after the other, before the next reader does."""
WANTED = {32: 4.0, 128: 3.0, 256: 3.0}


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    reviews: Annotated[int, typer.Option(help="reviews of each length", min=3)] = 120,
) -> None:
    """Classify reviews one by one."""
    found = runs.find(run)
    texts = subjects.texts(found, reviews, tuple(WANTED))
    results: dict[str, Any] = {}
    with subjects.both(found) as folders:
        for name, folder in folders.items():
            gates = {backend: fastest.gate(folder, backend) for backend in useful()}
            with ExitStack() as stack:
                readers = {each: stack.enter_context(Reader(folder, each)) for each in (PIPELINE, REFERENCE, *gates)}
                auto = stack.enter_context(Reader(folder, AUTO)).backend
                seconds = {length: _timed(readers, texts[length], f"{name}, {length} tokens") for length in WANTED}
            results[name] = {
                "auto": auto,
                "gate": {backend: {"passed": each.passed, "largest": each.largest} for backend, each in gates.items()},
                "seconds": {str(length): each for length, each in seconds.items()},
            }
    good = show(results)
    write_json(RESULTS, {"processor": machine.processor(), "reviews": reviews, "models": results})
    raise typer.Exit(0 if good else 1)


def show(results: dict[str, Any]) -> bool:
    """Print what was found; whether every bar was reached."""
    good = True
    table = Table("model", "tokens", "reader", "median ms", "times faster", "gate")
    for name, found in results.items():
        for length, wanted in WANTED.items():
            seconds = found["seconds"][str(length)]
            for reader, each in seconds.items():
                gate = found["gate"].get(reader)
                passed = "" if gate is None else f"{'passed' if gate['passed'] else 'failed'}, {gate['largest']:.4f}"
                chosen = " (auto)" * (reader == found["auto"])
                faster = seconds[PIPELINE] / each
                table.add_row(name, str(length), reader + chosen, f"{each * 1000:.1f}", f"{faster:.1f}", passed)
            auto = found["auto"]
            good &= seconds[PIPELINE] / seconds[auto] >= wanted and found["gate"].get(auto, {}).get("passed", False)
    Console().print(table)
    return good


def _timed(readers: dict[str, Reader], texts: list[str], doing: str) -> dict[str, float]:
    """Median seconds of each reader; they take turns with some reviews, read one after the other."""
    for reader in readers.values():
        reader.read(*([text] for text in texts[:TURN]))
    times: dict[str, list[float]] = {name: [] for name in readers}
    for start in track(range(0, len(texts), TURN), description=doing):
        for name, reader in readers.items():
            times[name] += [seconds for seconds, _ in reader.read(*([text] for text in texts[start : start + TURN]))]
    return {name: median(each) for name, each in times.items()}


if __name__ == "__main__":
    with told():
        typer.run(main)
