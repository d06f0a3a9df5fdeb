"""The jobs of bench/trust.py, each in processes of its own, and what became of them.

A job is judged by its exit status and what it said, and by what is there afterwards, the fault over: the Hub's history,
a new commit's every file against its manifest, the bytes in the cache, and what another host was told.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import HubError
from core.files import PROJECT, sha256
from core.runs import Run
from train.demo.run import await_answer
from train.localhub.faults import Act, Faults
from train.localhub.objects import git_hash
from train.localhub.server import LocalHub

SILENT = 30.0
"""Seconds without a word after which a job counts as hung; a page has said nothing before it is there."""
END = 300
"""Seconds after which a process is ended."""


@dataclass(frozen=True)
class Row:
    """A fault, and which requests meet it; the app's start meets it at any."""

    name: str
    act: Callable[[str, str], Act] | None
    """made from a repo's newest commit and the first"""
    times: float = float("inf")
    writing: str = ""
    reading: str = ""
    endpoint: str = ""
    """where the Hub is said to be; empty for where it is"""
    largest: int = 0
    """bytes that a file may have before the disk is full; 0 for any"""


@dataclass
class Cell:
    """What happened: in a word, as it was said, and how long it took."""

    outcome: str
    says: str
    seconds: float


@dataclass
class Done:
    """A process that ended; `silence` is the longest time without a line."""

    status: int
    lines: list[str]
    seconds: float
    silence: float


@dataclass
class Stage:
    """The Hub, another host with what it was told, and a run."""

    hub: LocalHub
    faults: Faults
    elsewhere: str
    seen: Faults
    folder: Path
    run: Run
    name: str = ""
    """the publication that is read"""
    first: str = ""
    """its repo's first commit"""
    _repos: int = 0

    def set(self) -> None:
        """Publish the run, and fill a cache with it."""
        from core import hub
        from train.publish import publish

        commit = publish(self.run, "demo/trust")
        self.name, self.first = f"demo/trust@{commit}", hub.history("demo/trust")[-1]["commit"]
        hub.fetch("demo/trust", commit, cache=self.folder / "warm" / "hub")

    def new_repo(self) -> tuple[str, list[str]]:
        """A repo that holds something else, and its commits, newest first."""
        from core import hub

        self._repos += 1
        repo = f"demo/publish-{self._repos}"
        hub.publish(repo, {"README.md": b"# Something else"}, "Begin")
        return repo, [each["commit"] for each in hub.history(repo)]

    @contextmanager
    def meeting(self, row: Row, route: str, newest: str, first: str) -> Iterator[None]:
        """The fault is on."""
        self.faults.off()
        if row.act:
            self.faults.on(route, row.act(newest, first), row.times)
        try:
            yield
        finally:
            self.faults.off()

    @contextmanager
    def process(self, row: Row, *command: str, home: Path, **more: str) -> Iterator["subprocess.Popen[str]"]:
        """A process of this Python, whose cache is at `home`."""
        limit = ["sh", "-c", 'ulimit -f "$0"; exec "$@"', str(row.largest // 512)] if row.largest else []
        environment = {"HF_HOME": str(home), "HF_ENDPOINT": row.endpoint or self.hub.endpoint} | more
        with subprocess.Popen(
            [*limit, sys.executable, "-m", *command], cwd=PROJECT, env=os.environ | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def go(self, row: Row, *command: str, home: Path, **more: str) -> Done:
        """Run a process to its end, and listen to it."""
        began = last = time.monotonic()
        lines, silence = [], 0.0
        with self.process(row, *command, home=home, **more) as process:
            end = threading.Timer(END, process.kill)
            end.start()
            for line in process.stdout or ():
                lines.append(line.strip())
                silence, last = max(silence, time.monotonic() - last), time.monotonic()
            end.cancel()
        return Done(process.returncode, lines, time.monotonic() - began, silence)

    def judged(self, done: Done, outcome: str, says: str = "") -> Cell:
        """The outcome, unless something worse is true."""
        told = str(self.seen.requests) + "".join(done.lines)
        self.seen.off()
        if self.hub.write_token in told or "authorization" in told.lower():
            outcome = "leaked"
        elif done.silence > SILENT or done.seconds > END:
            outcome = "hung"
        return Cell(outcome, says, done.seconds)


def publish(stage: Stage, row: Row) -> Cell:
    """Publish the run to a repo that holds something else."""
    from core import hub

    repo, before = stage.new_repo()
    with stage.meeting(row, row.writing, before[0], before[-1]):
        done = stage.go(row, "train", "publish", stage.run.name, "--repo", repo, home=stage.folder / "home")
    after = [each["commit"] for each in hub.history(repo)]
    recorded = [each["commit"] for each in stage.run.publications if each["repo"] == repo]
    outcome = "refused" if done.status else "recovered" if row.act else "done"
    if after != recorded + before or len(recorded) != (done.status == 0):
        outcome = "lost"
    elif recorded and not _verifies(repo, recorded[0], stage.folder / "after"):
        outcome = "corrupt"
    return stage.judged(done, outcome, _told(done))


def verify(stage: Stage, row: Row) -> Cell:
    """Verify the publication."""
    with stage.meeting(row, row.reading, stage.name.split("@")[1], stage.first):
        done = stage.go(row, "train", "verify", stage.name, home=stage.folder / "home")
    concluded = [line for line in done.lines if line.startswith("unverifiable")]
    says = _told(done) or " ".join(concluded[: done.status])
    return stage.judged(done, "refused" if done.status else "recovered" if row.act else "done", says)


def start(stage: Stage, row: Row) -> Cell:
    """Start the app with everything in its cache, then let it classify a review."""
    home = Path(shutil.copytree(stage.folder / "warm", stage.folder / "start", symlinks=True))
    offered = {"VERDICT_MODELS": stage.name, "VERDICT_RUNS": str(stage.folder / "none")}
    port = _free_port()
    command = ["streamlit", "run", "streamlit_app.py", "--server.headless=true", f"--server.port={port}"]
    with stage.meeting(row, "", stage.name.split("@")[1], stage.first):
        began = time.monotonic()
        with stage.process(row, *command, home=home, **offered) as server:
            await_answer(server, f"http://127.0.0.1:{port}/_stcore/health")
            served = time.monotonic() - began
            done = stage.go(row, "bench.trust", stage.name, "--page", "Classify", home=home, **offered)
    return _of_page(stage, row, done, home, served)


def load(stage: Stage, row: Row) -> Cell:
    """Load a page with an empty cache."""
    home = stage.folder / "load"
    offered = {"VERDICT_MODELS": stage.name, "VERDICT_RUNS": str(stage.folder / "none")}
    with stage.meeting(row, row.reading, stage.name.split("@")[1], stage.first):
        done = stage.go(row, "bench.trust", stage.name, "--page", "Evaluation", home=home, **offered)
    return _of_page(stage, row, done, home)


JOBS: dict[str, Callable[[Stage, Row], Cell]] = {
    "publish": publish, "verify": verify, "app start": start, "page load": load,
}  # fmt: skip


def load_page(page: str, name: str) -> None:
    """Load a page as Streamlit does, classify a review if that is what it is for, and print what it shows as JSON."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(PROJECT / "pages" / f"{page}.py"), default_timeout=END)
    app.query_params["model"] = name
    app.run()
    if page == "Classify" and not app.error and not app.exception:
        app.text_area(key="text").input("A lovely book, and a dull film.").run()
    texts = {kind: [str(each.value) for each in getattr(app, kind)] for kind in ("error", "info", "exception")}
    print(json.dumps(texts | {"shown": bool(app.metric or app.header)}))


def _of_page(stage: Stage, row: Row, done: Done, home: Path, before: float = 0.0) -> Cell:
    shown = json.loads(done.lines[-1]) if done.status == 0 else {"exception": done.lines[-1:]}
    done.seconds = done.silence = before + done.seconds
    if shown["exception"]:
        outcome = "crashed"
    elif shown["error"]:
        outcome = "refused"
    else:
        outcome = "from the cache" if shown["info"] else "recovered" if row.act else "done"
    if not _whole(home) or not (shown["exception"] or shown["error"] or shown["shown"]):
        outcome = "corrupt"
    shutil.rmtree(home, ignore_errors=True)
    says = " ".join([*shown["exception"], *shown.get("error", [])])
    return stage.judged(done, outcome, says.replace("\\", ""))


def _told(done: Done) -> str:
    """The error of a command, as it was shown."""
    return next((line.removeprefix("Error: ") for line in done.lines if line.startswith("Error: ")), "")


def _verifies(repo: str, commit: str, cache: Path) -> bool:
    from core import hub, integrity

    try:
        found = hub.fetch(repo, commit, cache=cache)
        return not integrity.check(found, strict=True).bad and not integrity.missing(found) and bool(found.manifest)
    except HubError:
        return False


def _whole(home: Path) -> bool:
    """Whether every file in a cache has the bytes that it is named by: SHA-256, or git's hash."""
    blobs = [path for path in home.rglob("blobs/*") if path.suffix != ".incomplete"]
    return all(path.name in (sha256(path), git_hash("blob", path.read_bytes())) for path in blobs)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
