"""Thousands of reviews, against `pipeline(batch_size=32)` over the same list, and against what the processor can do.

    python -m bench.bulk RUN imdb.parquet [--reviews 5000] [--distilbert 5000]

RUN is a run of MiniLM for film reviews, under VERDICT_RUNS; the file has columns text and split. Reviews are of the
test split, cut at 256 tokens. The pipeline and `auto`, each in a process of its own, take turns with every 1,000. A
decision that differs counts as the same where the pipeline's probability is within 0.01 of the threshold. The model of
DistilBERT's size is that of bench/subjects.py. The share of the peak is the model's floating-point operations a second
over those of a large matrix product in the same number format, measured between the turns. Prints a table, writes
bench/results/bulk.json, and exits with 1 where MiniLM is less than 6 times faster, a decision differs, or the share at
DistilBERT's size is below 0.7.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import subjects
from bench.readers import PIPELINE, Reader
from bench.subjects import DISTILBERT, MINILM
from core import machine, runs
from core.backends import AUTO
from core.files import write_json
from core.tokenizer import Tokenizer
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "bulk.json"
TURN = 1000
NEAR = 0.01
WANTED, SHARE = 6.0, 0.7


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    data: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="parquet: text, split")],
    reviews: Annotated[int, typer.Option(help="read by MiniLM", min=1)] = 5000,
    distilbert: Annotated[int, typer.Option(help="read at DistilBERT's size", min=1)] = 5000,
) -> None:
    """Classify a list of reviews."""
    texts = pq.read_table(data, filters=[("split", "=", "test")])["text"].to_pylist()
    picked = np.random.default_rng(1).permutation(len(texts))
    with subjects.both(runs.find(run)) as folders:
        results = {
            name: measured(folders[name], [texts[row] for row in picked[:n]], name)
            for name, n in ((MINILM, reviews), (DISTILBERT, distilbert))
        }
    table = Table("model", "reviews", "pipeline/s", "ours/s", "times faster", "backend", "decisions", "share of peak")
    for name, each in results.items():
        decisions = f"{each['changed']} changed, {each['near']} near the threshold"
        rates = (f"{each['n'] / each[who]:.1f}" for who in ("pipeline_seconds", "seconds"))
        share = f"{each['share']:.2f} ({each['share_done']:.2f} done) of {each['peak'] / 1e12:.2f} TFLOP/s"
        table.add_row(name, str(each["n"]), *rates, f"{each['faster']:.1f}", each["backend"], decisions, share)
    Console().print(table)
    write_json(RESULTS, {"processor": machine.processor(), "models": results})
    good = results[MINILM]["faster"] >= WANTED and results[MINILM]["changed"] == 0
    raise typer.Exit(0 if good and results[DISTILBERT]["share"] >= SHARE else 1)


def measured(folder: Path, texts: list[str], name: str) -> dict[str, Any]:
    """The pipeline and ours over these texts, by turns."""
    lengths = Tokenizer(folder, subjects.MAX_TOKENS).tokens(texts).lengths.tolist()
    theirs, mine, times, peaks = [], [], np.zeros(2), []
    with Reader(folder, PIPELINE) as pipeline, Reader(folder, AUTO, many=True) as ours:
        dtype = torch.bfloat16 if ours.backend.endswith("bf16") else torch.float32
        for start in track(range(0, len(texts), TURN), description=name):
            some = texts[start : start + TURN]
            [(seconds, found)], [(their_seconds, their_found)] = ours.read(some), pipeline.read(some)
            times += [seconds, their_seconds]
            mine.append(found)
            theirs.append(their_found)
            peaks.append(subjects.peak_flops(dtype))
    given, due = np.concatenate(mine), np.concatenate(theirs)
    changed = given.argmax(axis=1) != due.argmax(axis=1)
    near = np.abs(due.max(axis=1) - 0.5) < NEAR if due.shape[1] == 2 else np.zeros(len(due), dtype=bool)
    whole, done = subjects.flops(folder, lengths)
    peak = float(np.median(peaks))
    return {
        "n": len(texts), "backend": ours.backend, "seconds": times[0], "pipeline_seconds": times[1],
        "faster": times[1] / times[0], "changed": int((changed & ~near).sum()), "near": int((changed & near).sum()),
        "largest": float(np.abs(given - due).max()), "tokens": sum(lengths), "peak": peak,
        "share": whole / times[0] / peak, "share_done": done / times[0] / peak,
        "pipeline_share": whole / times[1] / peak,
    }  # fmt: skip


if __name__ == "__main__":
    with told():
        typer.run(main)
