"""The texts behind predictions, published or read again from the data set."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from core import data, texts
from core import recipe as recipes
from core.errors import DataError, RunError
from core.files import write_text
from core.runs import Record, Run


@pytest.fixture
def evaluation(run: Run, tmp_path: Path) -> Path:
    """A copy of what a publication holds of the tiny run, without texts."""
    shutil.copy(run.path / "recipe.toml", tmp_path)
    shutil.copytree(run.path / "predictions", tmp_path / "predictions")
    return tmp_path


def without_data(folder: Path) -> Record:
    """The record in `folder`, its recipe naming a data set that is not here."""
    recipe = Record(folder).recipe
    gone = recipe.data.model_copy(update={"file": "gone/away.jsonl"})
    write_text(folder / "recipe.toml", recipes.dumps(recipe.model_copy(update={"data": gone})))
    return Record(folder)


def test_no_page_starts_to_stream_a_data_set(evaluation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Record(evaluation).recipe
    streamed = recipe.data.model_copy(update={"file": "", "url": "http://127.0.0.1:9/{label}.gz"})
    write_text(evaluation / "recipe.toml", recipes.dumps(recipe.model_copy(update={"data": streamed})))
    monkeypatch.setattr("core.texts.load_splits", lambda recipe: pytest.fail("it was read"))
    with pytest.raises(DataError, match="were not read on this machine"):
        texts.of_record(Record(evaluation), "test")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_published_texts_are_those_of_the_data_set(evaluation: Path, split: str) -> None:
    record = Record(evaluation)
    frame = data.load_splits(record.recipe)[split]
    from_data = texts.of_record(record, split)
    texts.write(evaluation, split, frame)
    published = texts.of_record(without_data(evaluation), split)
    pd.testing.assert_frame_equal(published, from_data[published.columns], check_dtype=False)
    stored = record.predictions(split)
    assert list(published.index) == list(stored.id)
    assert list(published["text_sha256"]) == list(stored.text_sha256)


def test_labels_are_not_published_with_texts(evaluation: Path) -> None:
    frame = data.load_splits(Record(evaluation).recipe)["test"]
    assert list(pd.read_parquet(texts.write(evaluation, "test", frame)).columns) == ["id", "text"]


def test_pairs_come_back_as_pairs(evaluation: Path) -> None:
    pairs = pd.DataFrame({"id": ["1", "2"], "text": ["a", "b"], "text_pair": ["x", ""], "label": [0, 1]})
    texts.write(evaluation, "test", pairs)
    found = texts.of_record(Record(evaluation), "test")
    assert found[["text", "text_pair"]].to_numpy().tolist() == [["a", "x"], ["b", ""]]
    assert list(found["text_sha256"]) == [data.text_sha256("a", "x"), data.text_sha256("b")]


@pytest.mark.parametrize(
    "text", ["", "two\nlines\r\n", "ü 🎬 مرحبا", "<script>alert(1)</script>", "nul \0 inside", "x" * 100_000]
)
def test_any_text_comes_back_as_it_was(evaluation: Path, text: str) -> None:
    texts.write(evaluation, "test", pd.DataFrame({"id": ["1"], "text": [text], "label": [0]}))
    found = texts.of_record(Record(evaluation), "test").loc["1"]
    assert (found["text"], found["text_sha256"]) == (text, data.text_sha256(text))


def test_texts_that_cannot_be_had_are_named(evaluation: Path) -> None:
    with pytest.raises(DataError, match=r"no data file gone/away\.jsonl"):
        texts.of_record(without_data(evaluation), "test")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "no column"])
def test_damaged_texts_are_named(evaluation: Path, damage: str) -> None:
    path = texts.write(evaluation, "test", data.load_splits(Record(evaluation).recipe)["test"])
    if damage == "no column":
        pd.DataFrame({"id": ["1"]}).to_parquet(path)
    else:
        path.write_bytes(path.read_bytes()[:-30] if damage == "truncated" else b"x" * 100)
    with pytest.raises(RunError, match=r"texts/test\.parquet is damaged"):
        texts.of_record(Record(evaluation), "test")
