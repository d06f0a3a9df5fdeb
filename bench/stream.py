"""Memory and time of drawing 1,000 reviews from one long gzip file that is streamed from loopback.

    python -m bench.stream [--lines 2000000]

The file has the shape of the Goodreads files, 740 bytes a line or so. It is written to a temporary folder and served by
another process than the one that is measured. Writes bench/results/stream.json.
"""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.files import PROJECT, write_json
from tests import bookshelf
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "stream.json"
LABEL = "poetry"


def main(
    lines: Annotated[int, typer.Option(help="length of the file")] = 2_000_000,
    measure: Annotated[str, typer.Option(help="only read from this address, and print what it took", hidden=True)] = "",
) -> None:
    """Stream one long file; print lines, size, peak memory and seconds."""
    if measure:
        print(json.dumps(_measure(measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{LABEL}.json.gz"
        unpacked = write(path, lines)
        found = {"lines": lines, "packed_mb": path.stat().st_size / 1e6, "unpacked_mb": unpacked / 1e6}
        with _serving(Path(folder)) as address:
            found |= measured(address)
    table = Table(*found)
    table.add_row(*(f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" for value in found.values()))
    Console().print(table)
    write_json(RESULTS, found)


def write(path: Path, lines: int) -> int:
    """Write a genre's file of so many lines; returns its size unpacked, in bytes."""
    rng = random.Random(7)
    texts = [" ".join(rng.choices(bookshelf.WORDS, k=rng.randint(10, 150))) for _ in range(1000)]
    size = 0
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(lines):
            size += file.write(bookshelf.line(f"{number:032x}", texts[number % len(texts)]))
    return size


def measured(address: str) -> dict[str, Any]:
    """What reading the file at `address` takes in a process of its own, with an empty cache.

    `rows` drawn, `imports_mb` and `peak_mb` of resident memory before and after, `seconds`.
    """
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "bench.stream", "--measure", address]
        environment = os.environ | {"HF_HOME": home}
        done = subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(address: str) -> dict[str, Any]:
    from core import streaming
    from core.recipe import Data

    source = Data(url=f"{address}/{{label}}.json.gz", text="review_text", id="review_id", sample=1000)
    before, start = _peak_mb(), time.perf_counter()
    rows = len(streaming.read(source, (LABEL,)))
    return {"rows": rows, "imports_mb": before, "peak_mb": _peak_mb(), "seconds": time.perf_counter() - start}


def _peak_mb() -> float:
    """The most resident memory of this process so far, in MB.

    Not ru_maxrss: Linux starts a child's at what its parent held when it was forked.
    """
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with told():
        typer.run(main)
