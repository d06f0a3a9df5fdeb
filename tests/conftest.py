"""Shared by all tests: a Hub of their own on loopback, folders of their own, and a tiny model trained for real.

The Hub client reads its environment when it is imported, so the Hub is started before anything imports it.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests import marker
from train.localhub.faults import Faults

_stack = ExitStack()
_numbers = count()
_faults = Faults()
_tokens: list[str] = []


def pytest_configure() -> None:
    """Start the local Hub, and point everything at it and at temporary folders."""
    from train.localhub import serving

    home = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="verdict-tests-")))
    hub = _stack.enter_context(serving(home / "hub", faults=_faults))
    _tokens.append(hub.write_token)
    os.environ |= {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": hub.write_token,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "OMP_NUM_THREADS": "1",  # tiny models gain nothing from threads, and tests run side by side
        "VERDICT_RUNS": str(home / "runs"),
        "VERDICT_TEST_HOME": str(home),
        "VERDICT_TEST_HUB": str(home / "hub"),
    }
    os.environ.pop("VERDICT_MODELS", None)


def pytest_unconfigure() -> None:
    """Stop the Hub and remove the folders."""
    _stack.close()


class OneBrowser(LoadFileScheduling):
    """A process has all tests of a file, and one has all that need a browser: one app and one chromium serve them."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneBrowser:
    """Deal the tests to the processes of `pytest -n`, in the order that they have here."""
    config.option.loadscopereorder = False
    return OneBrowser(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: all that one process does in a browser, then the files with most tests."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.parent.name != "browser", -sizes[item.path]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test whose output or log shows the token has failed."""
    report = yield
    if shown := marker.in_output(_tokens[0], report.sections):  # a test may have another one in its environment
        report.outcome, report.longrepr = "failed", f"The token is in: {', '.join(shown)}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_file_has_the_token() -> Iterator[None]:
    """Neither runs nor uploads nor caches hold it, after all tests of this process."""
    home = Path(os.environ["VERDICT_TEST_HOME"])
    yield
    assert not list(marker.in_files(_tokens[0], home))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe file with its data and its encoder, all tiny."""
    from tests import tiny as maker

    return maker.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def run(tiny: Path) -> Iterator["Run"]:  # noqa: F821
    """A complete run of the tiny recipe."""
    from core import recipe
    from train.fit import fit

    return fit(recipe.load(tiny))


@pytest.fixture(scope="session")
def published(run: "Run") -> str:  # noqa: F821
    """The tiny run as a publication: `demo/tiny@commit`."""
    from train.publish import publish

    return f"demo/tiny@{publish(run, 'demo/tiny')}"


@pytest.fixture
def faults() -> Iterator[Faults]:
    """What befalls the tests' Hub; over with the test."""
    _faults.off()
    yield _faults
    _faults.off()


@pytest.fixture
def no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without runs."""
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def repo() -> str:
    """A repo's name that no other test uses."""
    return f"demo/small-{next(_numbers)}"


@pytest.fixture
def fetched(repo: str, tmp_path: Path) -> "Publication":  # noqa: F821
    """A small publication in a cache of its own."""
    from core import hub
    from tests import small_repo

    return hub.fetch(repo, small_repo.publish(repo), cache=tmp_path / "cache")
