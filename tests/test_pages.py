"""Every page as Streamlit runs it: with a run, from the Hub alone, and with nothing at all."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import confidence, metrics, verdict
from core import recipe as recipes
from core.files import PROJECT
from core.hub import MANIFEST
from core.recipe import Example
from core.runs import Run
from tests import forged
from tests.pairs import NAMES, table
from tests.test_evidence import BEFORE

PAGES = ["Classify", "Many_reviews", "Evaluation", "Local_vs_Hub", "Revisions", "Training_runs", "About"]


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Streamlit's caches outlive a session, so they would leak from test to test."""
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def page(name: str, state: Mapping[str, str] | None = None, **query: str) -> AppTest:
    """The page after its first run, with a session's state and query parameters."""
    app = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=60)
    for key, value in (state or {}).items():
        app.session_state[key] = value
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


FIRST_PAGE = """
import sys
from unittest.mock import patch
from streamlit.testing.v1 import AppTest

app = AppTest.from_file("pages/Classify.py", default_timeout=60)
app.query_params["model"] = sys.argv[1]
with patch("core.ui.prepare") as prepare:  # which loads the model beside the page
    app.run()
assert prepare.called and app.text_area and not app.exception and not app.error
print(*sys.modules)
"""


def test_the_first_page_waits_for_no_library_that_it_can_do_without(run: Run) -> None:
    command = [sys.executable, "-c", FIRST_PAGE, run.name]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    slow = {"torch", "transformers", "datasets", "onnxruntime", "openvino", "sklearn", "scipy", "statsmodels"}
    assert not slow & set(done.stdout.split())


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
    assert app.header[0].value.removeprefix("Not sure: ").split(" or ")[0] in run.record.labels
    assert "tokens read" in words(app)
    assert "temperature of" in words(app)


def test_the_coverage_that_the_link_asks_for_moves_the_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    least = {0.8: 1.0, 0.9: 1.0, 0.95: 0.0}
    known = replace(confidence.of_record(run.record), least=least)
    monkeypatch.setattr(confidence, "of_record", lambda record: known)
    app = page("Classify", model=run.name, coverage="95%")
    app.text_area(key="text").input("a lovely film").run()
    assert re.fullmatch("Not sure: (negative or positive|positive or negative)", app.header[0].value)
    assert "must name 2" in app.header[0].help
    app.button_group(key="coverage").set_value(0.8).run()
    assert app.header[0].value in run.record.labels


def test_a_model_without_an_evaluation_shows_its_own_probabilities(published: str, no_runs: Path) -> None:
    files = forged.files_of(published)
    bare = forged.tamper(published, {name: None for name in [*files, MANIFEST] if name.startswith("evaluation/")})
    app = page("Classify", {"text": "a lovely film"}, model=bare)
    assert not app.exception
    assert not app.error
    assert app.header[0].value in ("negative", "positive")
    assert "not calibrated" in words(app)
    assert "temperature" not in words(app)


def test_why_colours_the_words_or_says_that_they_mean_nothing(run: Run) -> None:
    app = page("Classify", model=run.name, why="true")
    app.text_area(key="text").input("the <b>lovely</b> film was moving").run()
    assert not app.exception
    (html,) = [each.proto.body for each in app.get("html")]
    assert "&lt;b&gt;lovely&lt;/b&gt;" in html
    assert "<b>" not in html
    assert re.search(r"Most (for|against)|No word moves", words(app))
    assert ("no more than leaving out words by chance" in words(app)) == ("all the same" in str(app.expander))
    app.text_area(key="text").input("film").run()
    assert "nothing to leave out of a single word" in words(app)


@pytest.mark.parametrize("mode", ["The beginning", "Beginning and end", "All, in pieces"])
def test_a_long_text_is_read_as_the_reader_chooses(run: Run, mode: str) -> None:
    app = page("Classify", model=run.name, read=mode, why="true")
    app.text_area(key="text").input(" ".join(["lovely film"] * 20)).run()
    assert not app.exception
    whole = mode == "All, in pieces"
    assert ("played no part" in words(app)) != whole
    assert ("[not read]" in app.get("html")[0].proto.body) != whole
    assert ("42 of 42 tokens read, in 5 pieces" in words(app)) == whole
    app.text_area(key="text").input("a lovely film").run()
    assert len(app.button_group) == 2  # the examples and the coverage: nothing is to be chosen for a short text


def test_a_pinned_answer_stands_beside_the_present_one(run: Run) -> None:
    app = page("Classify", model=run.name)
    app.text_area(key="text").input("a *lovely* film").run()
    button(app, "Pin to compare").click().run()
    assert "This answer is pinned" in words(app)
    app.text_area(key="text").input("a dull film").run()
    assert not app.exception
    assert "a \\*lovely\\* film" in words(app)
    table = app.dataframe[0].value
    assert [
        float(a[:-1]) + float(change) for a, change in zip(table["Pinned"], table["Change, points"], strict=True)
    ] == (pytest.approx([float(now[:-1]) for now in table["Now"]], abs=0.2))
    button(app, "Unpin").click().run()
    assert not app.dataframe


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


def test_an_example_fills_both_boxes_of_a_pair(run: Run, no_runs: Path) -> None:
    copy = Path(shutil.copytree(run.path, no_runs / run.name))
    recipe = run.record.recipe
    examples = (Example(text="a film", text_pair="a dull book", tag="irony"),)
    changes = {
        "data": recipe.data.model_copy(update={"text_pair": "other"}),
        "publish": recipe.publish.model_copy(update={"examples": examples}),
    }
    (copy / "recipe.toml").write_text(recipes.dumps(recipe.model_copy(update=changes)))
    app = page("Classify", model=run.name, why="true")
    pills = app.button_group(key="example")
    assert [option.content for option in pills.proto.options] == ["**irony** · a film / a dull book"]
    pills.set_value(examples[0]).run()
    assert not app.exception
    assert (app.text_area(key="text").value, app.text_area(key="pair").value) == ("a film", "a dull book")
    assert len(app.get("html")) == 2


def test_the_text_is_there_again_after_another_page(run: Run) -> None:
    app = AppTest.from_file(str(PROJECT / "streamlit_app.py"), default_timeout=60)
    app.query_params["model"] = run.name
    app.run()
    app.text_area(key="text").input("a lovely film").run()
    app.switch_page("pages/About.py").run()
    assert not app.text_area
    app.switch_page("pages/Classify.py").run()
    assert app.text_area(key="text").value == "a lovely film"
    app.switch_page("pages/About.py").run()
    app.session_state["text"] = "a dull book"  # as a page does that opens an example here
    app.switch_page("pages/Classify.py").run()
    assert app.text_area(key="text").value == "a dull book"
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
