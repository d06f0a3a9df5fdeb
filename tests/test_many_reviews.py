"""The page Many reviews as Streamlit runs it: files and lines, bad rows, cancelling, errors."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import bulk, uploads
from core.bulk import Job
from core.errors import ModelError
from core.files import PROJECT
from core.runs import Run
from tests.test_bulk import Gate, job, until
from tests.test_pages import fresh_caches, page, words

__all__ = ["fresh_caches"]

ROWS = [{"id": n, "text": "a lovely film" if n % 4 else "a dull book"} for n in range(1, 301)]
BAD: dict[int, str] = {7: '{"text": ""}', 100: "not JSON", 300: '{"id": 300}'}


def csv(rows: list[dict[str, object]]) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False).encode()


def json_lines(rows: list[dict[str, object]]) -> bytes:
    return "\n".join(BAD.get(number, json.dumps(row)) for number, row in enumerate(rows, start=1)).encode()


def parquet(rows: list[dict[str, object]]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer)
    return buffer.getvalue()


def uploaded(run: Run, name: str, content: bytes) -> AppTest:
    app = page("Many_reviews", model=run.name)
    app.file_uploader(key="file").set_value((name, content, "application/octet-stream")).run()
    return app


def read(app: AppTest) -> AppTest:
    """The page when all has been read."""
    button(app, "Read them").click().run()
    assert not app.error
    found: Job = app.session_state["job"]
    until(lambda: found.ended)
    return app.run()


def button(app: AppTest, label: str):
    return next(each for each in app.button if each.label == label)


@pytest.mark.parametrize(("name", "write"), [("a.csv", csv), ("a.parquet", parquet), ("a.jsonl", json_lines)])
def test_a_file_is_read_and_bad_rows_are_named(run: Run, name: str, write: Callable[..., bytes]) -> None:
    app = read(uploaded(run, name, write(ROWS)))
    assert not app.exception
    bad = BAD if name == "a.jsonl" else {}
    assert app.header[0].value.endswith("positive")
    table = app.dataframe[1 if bad else 0].value
    assert len(table) == 300 - len(bad)
    assert f"{300 - len(bad)} reviews read by" in words(app)
    assert ("3 rows were left out: 7, 100 and 300." in words(app)) == bool(bad)
    if bad:
        left_out = app.dataframe[0].value
        assert left_out["Row"].tolist() == [7, 100, 300]
        assert left_out["Why"].tolist() == ["text is empty", "not JSON", "text is missing"]


def test_pasted_lines_are_read(run: Run) -> None:
    app = page("Many_reviews", model=run.name, **{"from": "Paste lines"})
    app.text_area(key="lines").input("a lovely film\n\n<b>a dull book</b>\n=1+1").run()
    table = read(app).dataframe[0].value
    assert table["Row"].tolist() == [1, 3, 4]
    assert table["Text"].tolist() == ["a lovely film", "<b>a dull book</b>", "'=1+1"]
    assert "lovely" not in str(app.query_params)


def test_the_column_of_the_recipe_is_chosen_first_and_another_can_be(run: Run) -> None:
    rows = [{"note": "a dull stale clumsy hollow wooden book " * 3, "text": "a lovely film"}] * 3
    app = uploaded(run, "a.csv", csv(rows))
    picker = next(box for box in app.selectbox if box.label == "Column of the texts")
    assert (picker.value, picker.options) == ("text", ["note", "text"])
    picker.set_value("note").run()
    assert read(app).dataframe[0].value["Text"][0].startswith("a dull stale")


def test_a_model_of_pairs_takes_two_columns(run: Run, of_pairs: str) -> None:
    app = page("Many_reviews", model=of_pairs)
    rows = [{"id": 1, "text": "a lovely film", "other": "a dull book"}, {"id": 2, "text": "a film", "other": None}]
    app.file_uploader(key="file").set_value(("a.csv", csv(rows), "text/csv")).run()
    assert [box.value for box in app.selectbox if box.label.startswith("Column")] == ["text", "other"]
    app = read(app)
    assert app.dataframe[1].value["Second text"].tolist() == ["a dull book"]
    assert "Row 3 was left out" in words(app)


@pytest.fixture
def of_pairs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny run as if it were of pairs."""
    copy = Path(shutil.copytree(run.path, tmp_path / run.name))
    recipe = (copy / "recipe.toml").read_text(encoding="utf-8")
    (copy / "recipe.toml").write_text(recipe.replace('text_pair = ""', 'text_pair = "other"'), encoding="utf-8")
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    return run.name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0", "none of its first 200 rows holds a text"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
        ("a.jsonl", b'{"text": ', "none of its first 200 rows holds a text"),
    ],
)
def test_what_is_no_file_of_reviews_is_said_so(run: Run, name: str, content: bytes, message: str) -> None:
    app = uploaded(run, name, content)
    assert not app.exception
    assert message in app.error[0].value.replace("\\", "")


def test_too_many_rows_are_said_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_ROWS", 100)
    app = uploaded(run, "a.csv", csv(ROWS))
    button(app, "Read them").click().run()
    assert "more than 100 rows: split it" in app.error[0].value.replace("\\", "")


def with_job(run: Run, found: Job) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "pages" / "Many_reviews.py"), default_timeout=60)
    app.query_params["model"] = run.name
    app.session_state["job"] = found
    return app.run()


def test_a_running_job_says_how_far_it_is_and_can_be_cancelled(run: Run) -> None:
    gate = Gate(open_for=1)
    found = job(gate, ["a"] * 3 * bulk.CHUNK)
    app = with_job(run, found)
    until(lambda: gate.asked == 2)
    app.run()
    assert f"{bulk.CHUNK} of {3 * bulk.CHUNK} reviews" in app.get("progress")[0].proto.text
    button(app, "Cancel").click().run()
    gate.let.release(9)
    until(lambda: not found._running)
    app.run()
    assert f"Cancelled: {2 * bulk.CHUNK} of {3 * bulk.CHUNK} reviews read" in words(app)
    assert len(app.dataframe[0].value) == 2 * bulk.CHUNK


def test_a_job_cancelled_before_anything_was_read_shows_no_table(run: Run) -> None:
    found = job(Gate(), ["a"])
    found.cancel()
    app = with_job(run, found)
    assert not app.exception
    assert "Cancelled: 0 of 1 reviews read" in words(app)
    assert not app.dataframe


def test_an_error_of_the_model_is_said_and_what_was_read_is_shown(run: Run) -> None:
    found = job(Gate(open_for=9), [*["a"] * bulk.CHUNK, "broken"])
    found.look()
    until(lambda: found.ended)
    assert isinstance(found.error, ModelError)
    app = with_job(run, found)
    assert "The model is broken" in app.error[0].value
    assert len(app.dataframe[0].value) == bulk.CHUNK
    assert app.file_uploader(key="file")


def test_reading_other_reviews_ends_the_job_before(run: Run) -> None:
    gate = Gate()
    before = job(gate, ["a"] * bulk.CHUNK)
    app = with_job(run, before)
    app.file_uploader(key="file").set_value(("a.csv", csv(ROWS[:3]), "text/csv")).run()
    button(app, "Read them").click().run()
    assert before.cancelled
    gate.let.release(9)
    until(lambda: app.session_state["job"].ended)
    assert len(app.run().dataframe[0].value) == 3
