"""Data files -> splits, fingerprints and the audit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core import data
from core import recipe as recipes
from core.data import SPLITS
from core.errors import DataError
from core.recipe import Recipe

LABELS = ("negative", "positive")
Row = dict[str, Any]

WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "parquet": lambda table, path: table.to_parquet(path),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
}
# What readers like to take for something else than text.
TRICKY = [
    "2020-01-01", "3.10", "007", "NA", "null", "1e5", "true", 'say "hi", twice', "two\nlines", "ü – 評論 🎬", " x ",
    "NaN",
]  # fmt: skip


def rows(texts: list[str]) -> list[Row]:
    """The texts in turn as training, validation and test examples, labels alternating."""
    return [
        {"id": f"{n:03d}", "text": text, "label": LABELS[n // 3 % 2], "split": SPLITS[n % 3]}
        for n, text in enumerate(texts)
    ]


def recipe(file: Path | str, labels: tuple[str, ...] = LABELS, **keys: Any) -> Recipe:
    values = {"name": "x", "title": "x", "labels": labels, "encoder": "x", "data": {"file": str(file), **keys}}
    return recipes.parse(values, "x")


def write(path: Path, found: list[Row]) -> Path:
    path.write_text("\n".join(map(json.dumps, found)), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_splits(tmp_path: Path, kind: str) -> None:
    written = rows(TRICKY)
    WRITERS[kind](pd.DataFrame(written), tmp_path / f"x.{kind}")
    splits = data.load_splits(recipe(tmp_path / f"x.{kind}"))
    for split in SPLITS:
        expected = [(row["id"], row["text"], LABELS.index(row["label"])) for row in written if row["split"] == split]
        assert list(splits[split].itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("texts", [["2020-01-01", "2021-12-31"], ["3.10", "007"], ["1", "2"], ["true", "false"]])
@pytest.mark.parametrize("column", ["text", "date", "modified_at"])
def test_dates_and_numbers_in_texts_stay_as_written(tmp_path: Path, kind: str, texts: list[str], column: str) -> None:
    table = pd.DataFrame(rows(texts * 3)).rename(columns={"text": column})
    WRITERS[kind](table, tmp_path / f"x.{kind}")
    splits = data.load_splits(recipe(tmp_path / f"x.{kind}", text=column))
    assert sorted(pd.concat(splits)["text"]) == sorted(texts * 3)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("written", [["negative", "positive"], [0, 1], ["0", "1"]])
def test_labels_are_names_or_indices(tmp_path: Path, kind: str, written: list[str | int]) -> None:
    table = pd.DataFrame(rows(list("abcdef"))).assign(label=[written[n // 3 % 2] for n in range(6)])
    WRITERS[kind](table, tmp_path / f"x.{kind}")
    labels = LABELS if written[0] != "0" else ("0", "1")
    assert data.load_splits(recipe(tmp_path / f"x.{kind}", labels))["train"]["label"].tolist() == [0, 1]


@pytest.mark.parametrize("kind", WRITERS)
def test_stars_are_labels_too(tmp_path: Path, kind: str) -> None:
    table = pd.DataFrame(rows([str(n) for n in range(15)])).assign(label=[f"{n // 3 + 1}" for n in range(15)])
    WRITERS[kind](table, tmp_path / f"x.{kind}")
    found = data.load_splits(recipe(tmp_path / f"x.{kind}", ("1", "2", "3", "4", "5")))
    assert found["test"]["label"].tolist() == [0, 1, 2, 3, 4]


def drop(key: str, only: int | None = None) -> Callable[[list[Row]], object]:
    def change(found: list[Row]) -> None:
        for row in found if only is None else [found[only]]:
            del row[key]

    return change


def put(key: str, value: object, only: int | None = None) -> Callable[[list[Row]], object]:
    def change(found: list[Row]) -> None:
        for row in found if only is None else [found[only]]:
            row[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("text"), "has no column text; it has id, label, split"),
        (drop("label"), "has no column label"),
        (drop("split"), "has no column split"),
        (put("label", "meh", 2), "does not know: meh. It has negative, positive."),
        (put("label", 2, 2), "does not know: 2"),
        (put("label", ["negative"], 2), "does not know"),
        (put("label", None, 2), "does not know"),
        (put("text", None, 3), "Column text has no text in row 4"),
        (drop("text", 0), "Column text has no text in row 1"),
        (put("split", "train"), "no row that says validation or test"),
        (put("split", "Test", 2), "no row that says test"),
        (put("id", "same"), "must name each example once; same stands twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: Callable[[list[Row]], object], said: str) -> None:
    found = rows(list("abcd"))
    change(found)
    with pytest.raises(DataError) as caught:
        data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))
    assert said in str(caught.value)


def test_one_label_is_nothing_to_learn_from(tmp_path: Path) -> None:
    # Sorted data and a small `limit` give this; a baseline or the training itself must not be what finds out.
    found = sorted(rows(list("abcdefghijkl")), key=lambda row: str(row["label"]))
    with pytest.raises(DataError):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", found), limit=1))


GARBAGE = bytes(range(256)) * 8


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "not utf-8"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str, damage: str) -> None:
    path = tmp_path / f"x.{kind}"
    WRITERS[kind](pd.DataFrame(rows(["some text"] * 300)), path)
    whole = path.read_bytes()
    if damage == "truncated" and kind == "csv":
        whole = whole.replace(b"some text", b'"some text', 1)  # a quote that is never closed
    latin = whole.replace(b"some text", b"caf\xe9 text") if kind != "parquet" else GARBAGE
    path.write_bytes({"garbage": GARBAGE, "truncated": whole[:-20], "empty": b"", "not utf-8": latin}[damage])
    with pytest.raises(DataError) as caught:
        data.load_splits(recipe(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"5\n6\n", b"[1, 2]\n", b'"a"\n', b"{}\n", b"null\n", b"{\n"])
def test_lines_that_are_no_examples_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jsonl"):
        data.load_splits(recipe(path))


@pytest.mark.parametrize(
    ("file", "said"), [("none.csv", "There is no data file"), ("x.xlsx", "must be one of .parquet")]
)
def test_a_file_that_is_not_there_or_of_no_known_kind(tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=said):
        data.load_splits(recipe(tmp_path / file))


def test_a_file_is_looked_for_here_then_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "PROJECT", tmp_path / "project")
    (tmp_path / "project").mkdir()
    write(tmp_path / "project" / "x.jsonl", rows(list("abcdef")))
    assert data.load_splits(recipe("x.jsonl"))["train"]["text"].tolist() == ["a", "d"]
    write(tmp_path / "x.jsonl", rows(list("ghijkl")))
    assert data.load_splits(recipe("x.jsonl"))["train"]["text"].tolist() == ["g", "j"]


def test_pairs_keep_both_texts_apart(tmp_path: Path) -> None:
    found = [row | {"reply": f"re {row['text']}"} for row in rows(list("abcdef"))]
    train = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), text_pair="reply"))["train"]
    assert train["text"].tolist() == ["a", "d"]
    assert train["text_pair"].tolist() == ["re a", "re d"]
    assert data.hashes(train) == [data.text_sha256("a", "re a"), data.text_sha256("d", "re d")]


def test_a_limit_takes_the_first_of_each_split(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", rows([f"t{n}" for n in range(30)]))
    whole, some = data.load_splits(recipe(path)), data.load_splits(recipe(path, limit=4))
    assert {name: frame["id"].tolist() for name, frame in some.items()} == {
        name: frame["id"].tolist()[:4] for name, frame in whole.items()
    }


def test_rows_are_numbered_where_there_are_no_ids(tmp_path: Path) -> None:
    found = rows(list("abcdef"))
    drop("id")(found)
    assert data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))["test"]["id"].tolist() == ["2", "5"]


def test_an_id_column_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="review_id"):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", rows(list("abcdef"))), id="review_id"))


def frame(*found: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(found, columns=["id", "text", "label"])


BASE = [("1", "good", 1), ("2", "bad", 0), ("3", "fine", 1)]


@pytest.mark.parametrize(
    "changed",
    [
        [BASE[1], BASE[0], BASE[2]],
        [("1", "good ", 1), *BASE[1:]],
        [("1", "Good", 1), *BASE[1:]],
        [("1", "good", 0), *BASE[1:]],
        [("4", "good", 1), *BASE[1:]],
        BASE[:2],
        [*BASE, BASE[0]],
        [("1", "bad", 1), ("2", "good", 0), BASE[2]],
    ],
    ids=["order", "a space", "case", "a label", "an id", "one less", "one more", "texts swapped"],
)
def test_a_fingerprint_sees_any_change(changed: list[tuple[str, str, int]]) -> None:
    assert data.fingerprint(frame(*BASE)) != data.fingerprint(frame(*changed))


def test_a_fingerprint_depends_on_nothing_else() -> None:
    again = frame(*BASE).assign(note="x")
    again.index = pd.Index([7, 8, 9])
    assert data.fingerprint(frame(*BASE)) == data.fingerprint(again)


def test_the_audit_counts_repeats_leaks_and_labels() -> None:
    splits = {
        "train": frame(("1", "A  good film", 1), ("2", "a good\nfilm", 1), ("3", "dull", 0), ("4", "odd", 1)),
        "validation": frame(("5", "DULL", 0), ("6", "new", 1)),
        "test": frame(("7", "a good film ", 1), ("8", "New", 0), ("9", "other", 0), ("10", "odd", 1)),
    }
    assert data.audit(splits, LABELS) == {
        "duplicates": {"train": 1, "validation": 0, "test": 0},
        "leaks": {"train in validation": 1, "train in test": 3, "validation in test": 1},
        "balance": {
            "train": {"negative": 1, "positive": 3},
            "validation": {"negative": 1, "positive": 1},
            "test": {"negative": 2, "positive": 2},
        },
    }


def test_pairs_are_repeats_only_where_both_texts_are() -> None:
    pairs = pd.DataFrame({"id": list("123"), "text": ["a"] * 3, "text_pair": ["x", "y", "X"], "label": [0, 1, 0]})
    assert data.audit(dict.fromkeys(SPLITS, pairs), LABELS)["duplicates"]["train"] == 1


def test_a_description_states_rows_and_fingerprints(tmp_path: Path) -> None:
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", rows([f"t{n}" for n in range(12)]))))
    assert data.describe(splits, LABELS)["splits"] == {
        name: {"rows": 4, "sha256": data.fingerprint(found)} for name, found in splits.items()
    }


@pytest.mark.parametrize("text", ["", "x", "ü 🎬", "\0", "\ud800", "x" * 1_000_000])
def test_any_text_has_a_hash(text: str) -> None:
    assert len(data.text_sha256(text)) == 64
    assert data.text_sha256(text) != data.text_sha256(text + " ")
    assert data.text_sha256(text, "pair") != data.text_sha256(text)
