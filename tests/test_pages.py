"""Every page as Streamlit runs it: with a run, from the Hub alone, and with nothing at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.data import PROJECT
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


def test_a_typed_review_gets_bars(run: Run) -> None:
    app = page("Classify", model=run.name)
    app.text_area(key="text").input("a lovely film").run()
    assert not app.exception
    assert app.header[0].value in run.record.labels
    assert "tokens read" in words(app)
