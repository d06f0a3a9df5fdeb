"""The app in a browser: one server for all tests of a process, showing the tiny run and two publications."""

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page

from core import predictions
from core.files import PROJECT
from core.runs import Run
from tests.browser.chromium import CHROMIUM, browser, leave, open_page

NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: NOTHING IN A BROWSER WAS TESTED"),
]


def log() -> Path:
    """What the app's server says."""
    return Path(os.environ["VERDICT_TEST_HOME"]) / "site.log"


@contextmanager
def serving(models: str, file: Path) -> Iterator[str]:
    """Address of an app that nobody has been at, which offers these models; what its server says is in the file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
    with file.open("w") as said:
        process = subprocess.Popen(
            [*command, f"--server.port={port}", "--logger.level=info"], cwd=PROJECT, stdout=said, stderr=said,
            env=os.environ | {"VERDICT_MODELS": models},
        )  # fmt: skip
    try:
        _await(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def site(run: Run, published: str) -> Iterator[str]:
    """Address of the app, showing the tiny run and its publication."""
    with serving(published, log()) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="session")
def readers(chromium: Browser) -> dict[str, Page]:
    """Two people, whose browsers keep the app's scripts from test to test: a wide light one and a dark phone."""
    return {"desktop": open_page(chromium, 1280, "light"), "phone": open_page(chromium, 390, "dark")}


@pytest.fixture(params=["desktop", "phone"])
def page(readers: dict[str, Page], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The pages of the two in turn."""
    yield readers[request.param]
    leave(readers[request.param])


@pytest.fixture
def desktop(readers: dict[str, Page]) -> Iterator[Page]:
    yield readers["desktop"]
    leave(readers["desktop"])


@pytest.fixture
def phone(readers: dict[str, Page]) -> Iterator[Page]:
    yield readers["phone"]
    leave(readers["phone"])


@pytest.fixture(scope="session")
def tampered(run: Run) -> Run:
    """A copy of the run that was published, and whose stored predictions were changed afterwards."""
    from train.publish import publish

    copy = Run(Path(shutil.copytree(run.path, run.path.parent / "20000101-000000-beef")))
    (copy.path / "publications.jsonl").unlink(missing_ok=True)
    publish(copy, "demo/tampered")
    stored = copy.path / "predictions" / "test.parquet"
    found = predictions.load(stored)
    logits = found.logits.copy()
    logits[:9] = logits[:9, ::-1]
    dataclasses.replace(found, logits=logits).save(stored)
    return copy


@pytest.fixture
def unfinished(run: Run) -> Iterator[Run]:
    """A run that has begun beside the others, gone after the test."""
    found = Run(run.path.parent / "20000101-000001-cafe")
    found.path.mkdir(parents=True)
    shutil.copy(run.path / "recipe.toml", found.path)
    yield found
    shutil.rmtree(found.path)


def _await(url: str) -> None:
    for _ in range(300):
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")
