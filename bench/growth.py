"""How rate and memory grow with the length of texts, the number of rows, and the number of sessions.

    python -m bench.growth RUN [--most 1000000]

RUN is a run of MiniLM for single texts, under VERDICT_RUNS; it is exported, and read by `auto`. Lengths: 512 texts of
so many tokens. Rows: `train score`, in a process of its own, over a parquet file of texts of 16 tokens, 10 times as
many each time. Sessions: threads that each classify a review of 64 tokens after the other, all by one loaded model,
as the app's sessions do. Prints three tables, writes bench/results/growth.json, and exits with 1 where the memory of
the most rows is over 1.25 times that of 100,000 (or of the most, if fewer).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import subjects
from core import fastest, machine, runs
from core.files import PROJECT, write_json
from core.predictor import Predictor
from core.runs import Run
from train import cost
from train.export import export
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "growth.json"
LENGTHS, SESSIONS = (32, 64, 128, 256, 512), (1, 2, 5, 10, 20, 50)
FEWEST, SHORT, USUAL = 1_000, 16, 64
SECONDS = 5.0
"""Of reviews, for each number of sessions."""
FLAT = 1.25
OFTEN = 0.1
"""Seconds between looks at a process's memory."""


def main(
    run: Annotated[str, typer.Argument(help="recipe/id, or a recipe for its newest complete run")],
    most: Annotated[int, typer.Option(help="rows of the largest file", min=FEWEST)] = 1_000_000,
) -> None:
    """Measure all three."""
    found = runs.find(run)
    with tempfile.TemporaryDirectory(prefix="verdict-") as name:
        copy = Run(Path(shutil.copytree(found.path, Path(name) / "runs" / found.name)))
        export(copy)
        texts = subjects.texts(copy, 64, (SHORT, *LENGTHS))
        rows = by_rows(copy, Path(name), texts[SHORT], most)
        loaded = fastest.load(copy.model)
        results = {
            "lengths": by_length(fastest.load(copy.model, many=True), texts),
            "rows": rows,
            "sessions": by_sessions(loaded, texts[USUAL]),
            "backend": loaded.backend,
            "max_tokens": loaded.max_tokens,
        }
    for kind in ("lengths", "rows", "sessions"):
        table = Table(*(column.replace("_", " ") for column in results[kind][0]))
        for each in results[kind]:
            table.add_row(*(f"{value:,.3g}" if isinstance(value, float) else f"{value:,}" for value in each.values()))
        Console().print(table)
    write_json(RESULTS, {"processor": machine.processor(), **results})
    many = next((each for each in rows if each["rows"] >= 100_000), rows[-1])
    raise typer.Exit(0 if rows[-1]["peak_gb"] <= FLAT * many["peak_gb"] else 1)


def by_length(loaded: Predictor, texts: dict[int, list[str]]) -> list[dict[str, Any]]:
    """Rate and peak memory over 512 texts of each length that the model reads whole."""
    found = []
    for length in [each for each in LENGTHS if each <= loaded.max_tokens]:
        given, phases = texts[length] * 8, dict[str, Any]()
        loaded.predict(given[:64])
        with cost.measured(phases, "read"):
            loaded.predict(given)
        seconds = phases["read"]["seconds"]
        rates = {"texts_per_second": len(given) / seconds, "tokens_per_second": len(given) * length / seconds}
        found.append({"tokens": length, **rates, "peak_gb": phases["read"]["peak_memory_bytes"] / 1e9})
    return found


def by_rows(run: Run, folder: Path, texts: list[str], most: int) -> list[dict[str, Any]]:
    """Rate and peak memory of `train score`, of the whole process and from its start."""
    found, n = [], FEWEST
    while n <= most:
        file, output = folder / f"{n}.parquet", folder / "out.parquet"
        with pq.ParquetWriter(file, pa.schema([("text", pa.string())])) as writer:
            for start in range(0, n, 10_000):
                some = [f"{start + row} {texts[row % len(texts)]}" for row in range(min(10_000, n - start))]
                writer.write_table(pa.table({"text": some}))
        command = [sys.executable, "-m", "train", "score", str(file), "--model", run.name, "-o", str(output)]
        environment = os.environ | {"VERDICT_RUNS": str(folder / "runs")}
        began = time.perf_counter()
        peak = 0
        with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max(peak, _peak_bytes(process.pid))
                time.sleep(OFTEN)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        seconds = time.perf_counter() - began
        found.append({"rows": n, "rows_per_second": n / seconds, "seconds": seconds, "peak_gb": peak / 1e9})
        file.unlink()
        n *= 10
    return found


def by_sessions(loaded: Predictor, texts: list[str]) -> list[dict[str, Any]]:
    """Reviews a second of all sessions, and how long one waits for its answer."""
    found = []
    for n in track(SESSIONS, description="Sessions"):
        waits: list[float] = []
        end = time.perf_counter() + SECONDS

        def classify(end: float = end, waits: list[float] = waits) -> None:
            for text in texts * 1000:
                began = time.perf_counter()
                if began > end:
                    return
                loaded.predict([text])
                waits.append(time.perf_counter() - began)

        threads = [threading.Thread(target=classify) for _ in range(n)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        waits.sort()
        worst = waits[int(0.95 * len(waits))]
        rate = {"sessions": n, "reviews_per_second": len(waits) / SECONDS}
        found.append({**rate, "median_ms": median(waits) * 1000, "95%_ms": worst * 1000})
    return found


def _peak_bytes(process: int) -> int:
    """The most memory a process has had so far, 0 once it has ended; what is told at the end counts its parent, too."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    with told():
        typer.run(main)
