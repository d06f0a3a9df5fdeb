"""Many publishers and one repo: what is acknowledged is there and whole, and a killed publisher leaves nothing half.

    python -m bench.concurrency [--processes 8] [--publications 200] [--kills 20]

A tiny run is trained, copied, and its copies are published by processes of their own, over HTTP, to a local Hub; a
publisher that is refused because another was faster tries again. Then publishers are killed by SIGKILL at random
moments of an upload. Prints a table and writes bench/results/concurrency.json; exits with 1 if anything is not right.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from core.files import PROJECT, write_json
from train.failure import told
from train.localhub import serving

RESULTS = Path(__file__).parent / "results" / "concurrency.json"
REPO = "demo/many"
# Is ready, waits for a line, and answers one a publication: the run, its commit, and how often another was faster.
PUBLISHER = """
import json, sys
from core import runs
from core.errors import HubConflict
from train.publish import publish
print("ready", flush=True)
sys.stdin.readline()
for name in sys.argv[2:]:
    conflicts, commit = 0, None
    while commit is None:
        try:
            commit = publish(runs.find(name), sys.argv[1])
        except HubConflict:
            conflicts += 1
    print(json.dumps({"run": name, "commit": commit, "conflicts": conflicts}), flush=True)
"""


def main(
    processes: Annotated[int, typer.Option(help="publishers at once", min=1)] = 8,
    publications: Annotated[int, typer.Option(help="by all of them together", min=1)] = 200,
    kills: Annotated[int, typer.Option(help="publishers that are killed", min=0)] = 20,
) -> None:
    """Publish from many processes at once, then kill publishers, and look at what the Hub has."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "hub") as hub:
        # The Hub's client reads its environment when it is imported.
        os.environ |= {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.write_token, "HF_HUB_DISABLE_XET": "1"}
        os.environ |= {"HF_HOME": f"{folder}/hf", "VERDICT_RUNS": f"{folder}/runs", "OMP_NUM_THREADS": "1"}
        names = copies(trained(Path(folder)), publications + kills + 1)
        found = at_once(names[:publications], processes)
        found |= killed(names[publications:])
    table = Table("what", "figure", title=f"{processes} publishers, {publications} publications, {kills} kills")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else str(value))
    Console().print(table)
    write_json(RESULTS, {"processes": processes, "publications": publications, "kills": kills, **found})
    good = found["acknowledged"] == found["in_the_history"] == found["identical"] == publications
    raise typer.Exit(0 if good and not found["half_revisions"] else 1)


def trained(folder: Path) -> Path:
    """The directory of a run of the tests' tiny recipe."""
    from core import recipe
    from tests import tiny
    from train.fit import fit

    (folder / "tiny").mkdir()
    return fit(recipe.load(tiny.write(folder / "tiny"))).path


def copies(run: Path, n: int) -> list[str]:
    """Names of `n` runs that differ in nothing but their names."""
    for number in range(n):
        shutil.copytree(run, run.parent / f"copy-{number:04d}")
    return [f"{run.parent.name}/copy-{number:04d}" for number in range(n)]


@contextmanager
def publisher(names: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready to publish these runs, see `go`; killed when the block ends."""
    command = [sys.executable, "-c", PUBLISHER, REPO, *names]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=PROJECT, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    """Let it publish."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def at_once(names: Sequence[str], processes: int) -> dict[str, Any]:
    """Publish with so many processes; what was acknowledged, and what of it is there, whole, and verifies."""
    from core import hub
    from core.verify import verify

    hub.api().create_repo(REPO)
    before = {each["commit"] for each in hub.history(REPO)}
    lots = [names[start::processes] for start in range(min(processes, len(names)))]
    with ExitStack() as stack:
        running = [stack.enter_context(publisher(lot)) for lot in lots]
        start = time.monotonic()
        for process in running:
            go(process)
        lines = [json.loads(line) for process in running for line in process.stdout or ()]
        seconds = time.monotonic() - start
    there = {each["commit"] for each in hub.history(REPO)} - before
    kinds = [
        verify(f"{REPO}@{line['commit']}")["verdict"]["kind"]
        for line in track(lines, description="Verifying every publication")
    ]
    return {
        "acknowledged": len({line["commit"] for line in lines}),
        "refused_and_tried_again": sum(line["conflicts"] for line in lines),
        "in_the_history": len(there & {line["commit"] for line in lines}),
        "not_acknowledged_but_there": len(there - {line["commit"] for line in lines}),
        "identical": kinds.count("identical"),
        "seconds": seconds,
    }


def killed(names: Sequence[str]) -> dict[str, Any]:
    """Kill publishers at random moments of the time that the first run takes; what came of it."""
    from core import hub, integrity

    with publisher(names[:1]) as process:
        start = time.monotonic()
        go(process)
        assert process.stdout is not None
        process.stdout.readline()  # the acknowledgement
        usual = time.monotonic() - start
    chance, made, half = random.Random(0), 0, 0
    for name in track(names[1:], description="Killing publishers"):
        before = {each["commit"] for each in hub.history(REPO)}
        with publisher([name]) as process:
            go(process)
            time.sleep(chance.uniform(0, usual))
        new = {each["commit"] for each in hub.history(REPO)} - before
        made += len(new)
        for commit in new:
            publication = hub.fetch(REPO, commit)
            half += bool(integrity.check(publication, strict=True).bad) or bool(integrity.missing(publication))
    return {"seconds_of_one_alone": usual, "revisions_of_killed_publishers": made, "half_revisions": half}


if __name__ == "__main__":
    with told():
        typer.run(main)
