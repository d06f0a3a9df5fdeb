"""Training on IMDb, against Hugging Face's own text-classification recipe, and against what the processor can do.

    python -m bench.training imdb.parquet [--steps 24] [--rounds 3] [--whole 100]

Theirs is the recipe of transformers' run_glue / run_classification as published: Trainer's defaults, float32, every
text padded to 256 tokens. Ours has the settings of train/recipes/imdb.toml for MiniLM: by length, padded to the
longest, the number format that `auto` chooses, no dropout, embeddings and two layers as they are (but not the average
of weights, which means something over thousands of steps); once with whole batches, and once in halves to save memory,
as training.micro_batch=8 does. Same encoder (MiniLM, and DistilBERT's size with random weights), same texts of IMDb's
training split, batches of 16.

First some steps of each, by turns and in processes of their own, for time; of ours four times as many, which takes
about as long (and what is compiled for each length at first weighs less, as in a training). A step's tokens are those
of the texts, padding not counted; memory is the process's peak; the share of the peak is floating-point operations a
second (twice as many backward as forward, where weights are trained) over those of a large matrix product in the same
number format, just before and just after. Then MiniLM is trained for `--whole` steps with three seeds each way, and
scored on 2,000 other reviews of the training split. Prints tables, writes bench/results/training.json, and exits with
1 where MiniLM in halves is less than 5 times faster or takes over half the memory, where the share at DistilBERT's
size is below 0.5 with whole batches, or where our accuracy is lower by more than the noise (two standard errors of the
difference of the means).
"""

import json
import subprocess
import sys
import tempfile
from math import sqrt
from pathlib import Path
from statistics import mean, median, stdev, variance
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.subjects import DISTILBERT, MINILM
from core import machine
from core.files import PROJECT, write_json
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "training.json"
FASTER, MEMORY, SHARE = 5.0, 0.5, 0.5
BATCH, MAX_TOKENS = 16, 256
SEEDS, HELD_OUT = (1, 2, 3), 2000
THEIRS, OURS, HALVES = "Hugging Face's recipe", "ours", "ours, in halves"
WAYS = (THEIRS, OURS, HALVES)
LONGER = 4
"""times as many steps of ours"""


def main(
    data: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="parquet: text, label, split")],
    steps: Annotated[int, typer.Option(help="timed steps of Hugging Face's recipe", min=2)] = 24,
    rounds: Annotated[int, typer.Option(help="trainings of each kind", min=1)] = 3,
    whole: Annotated[
        int, typer.Option(help="steps of each training for accuracy; 0: keep what was found", min=0)
    ] = 100,
) -> None:
    """Train a few steps each way, and then more for accuracy."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    turns = [(model, way) for model in (MINILM, DISTILBERT) for _ in range(rounds) for way in WAYS]
    for model, way in track(turns, description="Training"):
        timed = steps if way == THEIRS else LONGER * steps
        found.setdefault(model, {}).setdefault(way, []).append(_train(model, way, data, timed, 1, 0))
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
    if whole:
        scores = {
            way: [_train(MINILM, way, data, whole, seed, HELD_OUT)["accuracy"] for seed in track(SEEDS, way)]
            for way in (OURS, THEIRS)
        }
    else:
        before = json.loads(RESULTS.read_text(encoding="utf-8"))
        whole, scores = before["whole"], before["accuracy"]
    for way, each in scores.items():
        print(f"{way}: accuracy {mean(each):.3f} ± {stdev(each):.3f} after {whole} steps, {len(each)} seeds")
    write_json(
        RESULTS,
        {"processor": machine.processor(), "steps": steps, "models": results, "whole": whole, "accuracy": scores},
    )
    ours, theirs = results[MINILM][HALVES], results[MINILM][THEIRS]
    good = ours["tokens_per_second"] >= FASTER * theirs["tokens_per_second"]
    good &= ours["peak_bytes"] <= MEMORY * theirs["peak_bytes"] and results[DISTILBERT][OURS]["share"] >= SHARE
    noise = sqrt(sum(variance(each) / len(each) for each in scores.values()))
    good &= mean(scores[OURS]) >= mean(scores[THEIRS]) - 2 * noise
    raise typer.Exit(0 if good else 1)


def _train(model: str, way: str, data: Path, steps: int, seed: int, held_out: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="verdict-") as folder:
        given = [model, way, str(data), str(steps), str(seed), str(held_out), folder]
        command = [sys.executable, "-m", "bench.training_steps", *given]
        done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _middle(found: list[dict[str, Any]]) -> dict[str, float]:
    return {key: median(each[key] for each in found) for key in found[0]}


if __name__ == "__main__":
    with told():
        typer.run(main)
