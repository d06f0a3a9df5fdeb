"""Every page as Streamlit runs it: with a run, from the Hub alone, and with nothing at all."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import metrics, verdict
from core.files import PROJECT
from core.runs import Run
from tests.pairs import NAMES, table
from tests.test_evidence import BEFORE

PAGES = ["Classify", "Evaluation", "Local_vs_Hub", "Revisions", "Training_runs", "About"]


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Streamlit's caches outlive a session, so they would leak from test to test."""
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def page(name: str, **query: str) -> AppTest:
    """The page after its first run, with query parameters."""
    app = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def words(app: AppTest) -> str:
    """All text that the page shows."""
    parts = [
        *app.markdown,
        *app.caption,
        *app.info,
        *app.error,
        *app.warning,
        *app.success,
        *app.header,
        *app.subheader,
    ]
    return "\n".join(str(part.value) for part in parts)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_a_local_run(name: str, run: Run) -> None:
    app = page(name, model=run.name)
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="picker").value == run.name


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_from_the_hub_alone(
    name: str, published: str, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERDICT_MODELS", published)
    app = page(name)
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="picker").value == published


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_nothing_says_what_to_do(name: str, no_runs: Path) -> None:
    app = page(name)
    assert not app.exception
    assert "make demo" in words(app)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "is empty"),
        (" \t\n ", "is empty"),
        ("\0\0", "is empty"),
        ("lovely film " * 90_000, "Only the beginning was read"),
        ("<script>alert(1)</script>", "tokens read"),
        ("פרק נפלא, קראתי אותו פעמיים", "knows hardly any"),
        ("🎬🎬🎬", "knows hardly any"),
    ],
    ids=["empty", "blank", "NUL", "1 MB", "script", "right to left", "emoji"],
)
def test_whatever_is_typed_gets_an_answer(run: Run, text: str, answer: str) -> None:
    app = page("Classify", model=run.name)
    app.text_area(key="text").input(text)
    app.button[0].click().run()
    assert not app.exception
    assert answer in words(app)


@pytest.fixture
def damaged(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run whose test predictions were cut short."""
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    copy = tmp_path / run.name
    shutil.copytree(run.path, copy)
    stored = copy / "predictions" / "test.parquet"
    stored.write_bytes(stored.read_bytes()[:200])
    return copy


def test_a_truncated_file_of_a_run_is_named_and_the_rest_is_shown(damaged: Path, run: Run) -> None:
    app = page("Evaluation", model=run.name, true="positive", decided="positive")
    assert not app.exception
    assert "predictions/test.parquet is damaged" in app.error[0].value.replace("\\", "")
    assert app.metric[0].label == "Accuracy"


def test_a_hub_that_is_down_is_said_so(no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    app = page("Evaluation", model="demo/elsewhere@" + "0" * 40)
    assert not app.exception
    assert "does not answer" in app.error[0].value


def test_a_typed_review_gets_bars(run: Run) -> None:
    app = page("Classify", model=run.name)
    app.text_area(key="text").input("a lovely film").run()
    assert not app.exception
    assert app.header[0].value in run.record.labels
    assert "tokens read" in words(app)


VERDICTS = {
    "now": lambda: verdict.compare(*table(20, 4, 1, 7), NAMES, NAMES, {"config.json": ("a", "b")}).to_json(),
    "before there were intervals": lambda: BEFORE,
    "unverifiable": lambda: verdict.unverifiable("README.md is missing.").to_json(),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_stored_verification_is_shown(run: Run, no_runs: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    stored, commit = VERDICTS[name](), "c" * 40
    copy = Run(Path(shutil.copytree(run.path, no_runs / run.name)))
    copy.add_publication("demo/stored", commit)
    files = [{"path": "config.json", "sha256": "b", "problem": ""}]
    copy.add_verification(
        {
            "repo": "demo/stored", "commit": commit, "when": "2026-11-21T06:52:09+00:00", "compared_with": copy.name,
            "verdict": stored, "files": files,
        }
    )  # fmt: skip
    app = page("Local_vs_Hub", model=copy.name, publication=f"demo/stored@{commit}")
    assert not app.exception
    said = words(app)
    assert f"**{stored['kind'].capitalize()}.**" in said
    tables = [list(each.value.columns) for each in app.dataframe]
    assert ["File", "State", "As measured", "SHA-256"] in tables
    assert (["Metric", "Local", "Hub", "Difference", "95% interval"] in tables) == bool(stored["metrics"])
    assert ("Decisions that changed" in said) == ("flipped" in stored)
    assert ("examples compared" in said) == bool(stored["metrics"])
