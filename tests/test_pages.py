"""Every page as Streamlit runs it: with a run, from the Hub alone, and with nothing at all."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.files import PROJECT
from core.runs import Run

PAGES = ["Classify", "Evaluation", "Local_vs_Hub", "Training_runs", "About"]


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
