"""Peak resident memory of training on MRPC, at DistilBERT's size (random weights) and with MiniLM.

    python -m bench.memory mrpc.parquet [--epochs 1]

The file has columns sentence1, sentence2, label and split. Each training is a process of its own, by the command a user
would type, and is measured whole: imports, audit, training, prediction, metrics. The report that the recipe follows has
3.41 GB. Writes bench/results/memory.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.files import write_json
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "memory.json"
REPORTED_GB = 3.41
# In a process of its own: a child's peak starts at its parent's size, so this one stays small.
RANDOM_DISTILBERT = """
import sys
from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel
from train.encoders import resolve
DistilBertModel(DistilBertConfig()).save_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(resolve("minilm").folder)
tokenizer.model_input_names = ["input_ids", "attention_mask"]
tokenizer.save_pretrained(sys.argv[1])
"""


def main(
    data: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="MRPC as parquet: sentence1, sentence2, label, split")
    ],
    epochs: Annotated[int, typer.Option(help="passes over the training split", min=1)] = 1,
) -> None:
    """Train MRPC twice and print the peak memory of each."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder) / "distilbert"
        subprocess.run([sys.executable, "-c", RANDOM_DISTILBERT, str(encoder)], check=True)
        for name, given in {"DistilBERT's size": str(encoder), "MiniLM": "minilm"}.items():
            found[name] = measured(Path(folder), data, given, epochs)
    table = Table("encoder", "peak GB", "the report's GB", "seconds", title=f"MRPC, {epochs} of its epochs")
    for name, row in found.items():
        table.add_row(name, f"{row['peak_gb']:.2f}", str(REPORTED_GB), f"{row['seconds']:.0f}")
    Console().print(table)
    write_json(RESULTS, {"epochs": epochs, "reported_gb": REPORTED_GB, "trainings": found})


def measured(folder: Path, data: Path, encoder: str, epochs: int) -> dict[str, float]:
    """Train with `encoder`; peak resident memory of the whole process in GB (1e9 bytes), and its seconds.

    A run resets the process's peak at the start of each phase to record the phase's own, so that the system (and
    `/usr/bin/time`) knows that of the last phase alone: the highest of them all is taken.
    """
    runs = folder / f"runs-{len(list(folder.iterdir()))}"
    command = [sys.executable, "-m", "train", "fit", "mrpc", "--encoder", encoder, "--data", str(data)]
    start = time.monotonic()
    process = subprocess.Popen(
        [*command, "--set", f"training.epochs={epochs}"], env=os.environ | {"VERDICT_RUNS": str(runs)}
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    seconds = time.monotonic() - start
    (made,) = runs.glob("*/*/environment.json")
    phases = json.loads(made.read_text(encoding="utf-8"))["cost"]["phases"].values()
    peaks = [usage.ru_maxrss * 1024, *(phase["peak_memory_bytes"] for phase in phases)]
    return {"peak_gb": max(peaks) / 1e9, "seconds": seconds}


if __name__ == "__main__":
    with told():
        typer.run(main)
