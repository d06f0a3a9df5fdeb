"""Training steps, against Hugging Face's own text-classification recipe, and against what the processor can do.

    python -m bench.training imdb.parquet [--steps 8] [--rounds 3]

The recipe is that of transformers' run_glue / run_classification as published: Trainer's defaults, float32, every text
padded to 256 tokens. Ours is the `trainer` engine's: by length, padded to the longest, the number format that `auto`
chooses, dropout and attention of our own. Same encoder (MiniLM, and DistilBERT's size with random weights), same texts
of IMDb's training split, 16 a batch, dropout of 0.1 in both. Each training is a process of its own, and they take
turns; a step's tokens are those of the texts, padding not counted. Memory is the process's peak. The share of the peak
is floating-point operations a second (three times forward) over those of a large matrix product in the same number
format. Prints a table, writes bench/results/training.json, and exits with 1 where MiniLM is less than 5 times faster,
the memory is over half, or the share at DistilBERT's size is below 0.5.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.subjects import DISTILBERT, MINILM
from core import machine
from core.files import PROJECT, write_json

RESULTS = Path(__file__).parent / "results" / "training.json"
FASTER, MEMORY, SHARE = 5.0, 0.5, 0.5
BATCH, MAX_TOKENS = 16, 256
THEIRS, OURS = "Hugging Face's recipe", "ours"


def main(
    data: Annotated[Path, typer.Argument(help="parquet: text, label, split")],
    steps: Annotated[int, typer.Option(help="timed steps of each training", min=2)] = 8,
    rounds: Annotated[int, typer.Option(help="trainings of each kind", min=1)] = 3,
) -> None:
    """Train a few steps each way."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    turns = [(model, way) for model in (MINILM, DISTILBERT) for _ in range(rounds) for way in (THEIRS, OURS)]
    for model, way in track(turns, description="Training"):
        with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
            command = [sys.executable, "-m", "bench.training_steps", model, way, str(data), str(steps), folder]
            done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
        found.setdefault(model, {}).setdefault(way, []).append(json.loads(done.stdout.splitlines()[-1]))
    results = {model: {way: _middle(each) for way, each in ways.items()} for model, ways in found.items()}
    table = Table("model", "recipe", "tokens/s", "times faster", "peak GB", "of theirs", "share of peak")
    for model, ways in results.items():
        for way, each in ways.items():
            faster = each["tokens_per_second"] / ways[THEIRS]["tokens_per_second"]
            memory = each["peak_bytes"] / ways[THEIRS]["peak_bytes"]
            table.add_row(
                model, way, f"{each['tokens_per_second']:,.0f}", f"{faster:.1f}", f"{each['peak_bytes'] / 1e9:.2f}",
                f"{memory:.2f}", f"{each['share']:.2f} of {each['peak_flops'] / 1e12:.2f} TFLOP/s",
            )  # fmt: skip
    Console().print(table)
    write_json(RESULTS, {"processor": machine.processor(), "steps": steps, "models": results})
    ours, theirs = results[MINILM][OURS], results[MINILM][THEIRS]
    good = ours["tokens_per_second"] >= FASTER * theirs["tokens_per_second"]
    good &= ours["peak_bytes"] <= MEMORY * theirs["peak_bytes"] and results[DISTILBERT][OURS]["share"] >= SHARE
    raise typer.Exit(0 if good else 1)


def _middle(found: list[dict[str, Any]]) -> dict[str, float]:
    return {key: median(each[key] for each in found) for key in found[0]}


if __name__ == "__main__":
    typer.run(main)
