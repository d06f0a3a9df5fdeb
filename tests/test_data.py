"""Data files -> splits, fingerprints and the audit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core import data, sources
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
        (put("split", "train"), "column split has no row that says validation or test"),
        (put("split", "Test", 2), "no row that says test"),
        (put("split", None, 2), "no row that says test"),
        (put("split", ["test"], 2), "no row that says test"),
        (put("id", "same"), 'must name each example once; same stands twice. data.id = "" numbers the rows'),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: Callable[[list[Row]], object], said: str) -> None:
    found = rows(list("abcd"))
    change(found)
    with pytest.raises(DataError) as caught:
        data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_to_group_by_are_kept_as_text(tmp_path: Path, kind: str) -> None:
    table = pd.DataFrame(rows(list("abcdef"))).assign(genre=["x", "", "y", "x", "x", "y"], stars=[1, 2, 3, 4, 5, 6])
    WRITERS[kind](table, tmp_path / f"x.{kind}")
    splits = data.load_splits(recipe(tmp_path / f"x.{kind}", slices=["genre", "stars"]))
    assert splits["train"][["genre", "stars"]].to_numpy().tolist() == [["x", "1"], ["x", "4"]]
    assert splits["validation"]["genre"].tolist() == ["", "x"]
    plain = data.load_splits(recipe(tmp_path / f"x.{kind}"))
    assert {name: data.fingerprint(frame) for name, frame in splits.items()} == {
        name: data.fingerprint(frame) for name, frame in plain.items()
    }


def test_nothing_in_a_column_to_group_by_is_empty_text(tmp_path: Path) -> None:
    found = [row | {"genre": None if row["id"] == "000" else "x"} for row in rows(list("abcdef"))]
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), slices=["genre"]))
    assert splits["train"]["genre"].tolist() == ["", "x"]


def test_a_column_to_group_by_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column genre; it has id, text, label, split"):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", rows(list("abcdef"))), slices=["genre"]))


def test_one_label_is_nothing_to_learn_from(tmp_path: Path) -> None:
    # A baseline or the training itself must not be what finds out.
    with pytest.raises(DataError, match=r"the same label.* raise data\.limit"):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", rows(list("abcdefghijkl"))), limit=1))


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
    monkeypatch.setattr(sources, "PROJECT", tmp_path / "project")
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


def test_rows_are_numbered_where_there_are_no_ids(tmp_path: Path) -> None:
    found = rows(list("abcdef"))
    drop("id")(found)
    assert data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))["test"]["id"].tolist() == ["2", "5"]


def test_an_id_column_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="review_id"):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", rows(list("abcdef"))), id="review_id"))


def test_rows_that_are_not_used_may_be_anything(tmp_path: Path) -> None:
    unused = {"id": "000", "text": None, "label": -1, "split": "unsupervised"}
    found = [unused, *rows(list("abcdef"))]
    drop("id")(found)
    train = data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))["train"]
    assert list(train.itertuples(index=False, name=None)) == [("1", "a", 0), ("4", "d", 1)]


def test_the_row_of_a_missing_text_is_the_files(tmp_path: Path) -> None:
    found = [row | {"split": "unused"} for row in rows(list("xyz"))] + rows(list("abcdef"))
    found = [row | {"id": f"{n}"} for n, row in enumerate(found)]
    found[7]["text"] = None
    with pytest.raises(DataError, match="in row 8"):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))


# Splits


def many(n: int, labels: tuple[str, ...] = LABELS) -> list[Row]:
    """Training rows whose labels are not equally many: each has half as many as the one before it."""
    chosen = [next((k for k in range(len(labels) - 1) if i % 2 ** (k + 1)), len(labels) - 1) for i in range(1, n + 1)]
    return [{"id": f"{i}", "text": f"text {i}", "label": labels[k], "split": "train"} for i, k in enumerate(chosen)]


def shares(frame: pd.DataFrame) -> list[float]:
    return [float(share) for share in frame["label"].value_counts(normalize=True).sort_index()]


CARVED = {"test": 0.2, "validation": 0.1}


def test_shares_are_carved_with_labels_in_proportion(tmp_path: Path) -> None:
    found = many(400, ("a", "b", "c"))
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), ("a", "b", "c"), **CARVED))
    assert {name: len(frame) for name, frame in splits.items()} == {"train": 280, "validation": 40, "test": 80}
    assert list(splits) == list(SPLITS)
    for part in splits.values():
        assert shares(part) == pytest.approx([0.5, 0.25, 0.25], abs=0.026)
        assert part["id"].astype(int).is_monotonic_increasing
        assert list(part.index) == list(range(len(part)))
    ids = pd.concat(splits)["id"]
    assert sorted(ids) == sorted(row["id"] for row in found)


def test_what_is_carved_looks_random(tmp_path: Path) -> None:
    test = data.load_splits(recipe(write(tmp_path / "x.jsonl", many(400)), **CARVED))["test"]
    assert 0.3 < (test["id"].astype(int) < 200).mean() < 0.7


def test_another_seed_carves_others_and_the_trainings_seed_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", many(200))
    one, again = recipe(path, **CARVED), recipe(path, **CARVED).model_copy(update={"seed": 7})
    first, other = data.load_splits(one), data.load_splits(recipe(path, **CARVED, seed=7))
    assert [data.fingerprint(first[name]) for name in SPLITS] == [
        data.fingerprint(data.load_splits(again)[name]) for name in SPLITS
    ]
    assert not set(first["test"]["id"]) <= set(other["test"]["id"])


def test_the_same_is_carved_on_every_machine(tmp_path: Path) -> None:
    # Written down once: the draw must not change with a library's version, nor with Python's own hashes.
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", many(30)), **CARVED))
    assert {name: splits[name]["id"].tolist() for name in ("test", "validation")} == {
        "test": ["1", "6", "18", "19", "23", "26"],
        "validation": ["2", "8", "29"],
    }


def test_the_order_of_the_rows_does_not_change_what_is_carved(tmp_path: Path) -> None:
    found = many(60)
    forth = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), **CARVED))
    back = data.load_splits(recipe(write(tmp_path / "y.jsonl", found[::-1]), **CARVED))
    assert {name: set(frame["id"]) for name, frame in forth.items()} == {
        name: set(frame["id"]) for name, frame in back.items()
    }


def test_texts_that_are_the_same_stay_on_one_side(tmp_path: Path) -> None:
    found = [row | {"text": f"Text  {n // 4}" if n % 2 else f"text {n // 4}\n"} for n, row in enumerate(many(200))]
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), **CARVED))
    where = {name: set(frame["text"].str.lower().str.split().str.join(" ")) for name, frame in splits.items()}
    assert where["train"].isdisjoint(where["test"] | where["validation"])
    assert where["validation"].isdisjoint(where["test"])
    assert [len(splits[name]) for name in SPLITS] == [140, 20, 40]


def test_pairs_stay_on_one_side_only_where_both_texts_are_the_same(tmp_path: Path) -> None:
    found = [row | {"text": "same", "other": f"o{n // 2}"} for n, row in enumerate(many(80))]
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), text_pair="other", **CARVED))
    assert [len(splits[name]) for name in SPLITS] == [56, 8, 16]
    assert set(splits["train"]["text_pair"]).isdisjoint(splits["test"]["text_pair"])


def test_validation_is_carved_beside_a_split_that_is_named(tmp_path: Path) -> None:
    found = many(40) + [{"id": f"t{n}", "text": f"t {n}", "label": LABELS[n % 2], "split": "test"} for n in range(6)]
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), validation=0.25))
    assert splits["test"]["id"].tolist() == [f"t{n}" for n in range(6)]
    assert (len(splits["validation"]), len(splits["train"])) == (10, 30)


def test_splits_of_the_source_get_other_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", rows([f"t{n}" for n in range(30)]))
    whole = data.load_splits(recipe(path))
    splits = data.load_splits(recipe(path, train=["test", "train"], validation=0.1, test="validation"))
    assert splits["test"].equals(whole["validation"])
    assert len(splits["validation"]) == 2
    used = pd.concat([splits["train"], splits["validation"]])
    assert set(used["id"]) == set(whole["train"]["id"]) | set(whole["test"]["id"])
    assert splits["train"]["id"].is_monotonic_increasing


def test_a_file_without_splits_is_carved(tmp_path: Path) -> None:
    found = many(50)
    drop("split")(found)
    splits = data.load_splits(recipe(write(tmp_path / "x.jsonl", found), split="", **CARVED))
    assert [len(splits[name]) for name in SPLITS] == [35, 5, 10]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"validation": "test"}, "both test: choosing a checkpoint and reporting it on the same rows"),
        ({"test": "train"}, "data.test is train, which data.train has too"),
        ({"train": ["train", "validation"]}, "data.validation is validation, which data.train has too"),
        ({"test": 0.6, "validation": 0.4}, "leave nothing to train on"),
        (
            {"test": 0.01, "validation": 0.01},
            "leaves no example for validation and test (12 train, 0 validation, 0 test)",
        ),
        ({"test": 0.9, "validation": 0.09}, "leaves no example for train"),
        ({"split": ""}, "it has no split validation or test. data.train"),
        ({"train": ["training"]}, "no row that says training"),
    ],
)
def test_splits_that_cannot_be_had_are_refused(tmp_path: Path, keys: Row, said: str) -> None:
    with pytest.raises(DataError) as caught:
        data.load_splits(recipe(write(tmp_path / "x.jsonl", rows([f"t{n}" for n in range(36)])), **keys))
    assert said in str(caught.value)


def test_a_file_without_its_column_of_splits_says_what_to_do(tmp_path: Path) -> None:
    found = rows(list("abcdef"))
    drop("split")(found)
    with pytest.raises(DataError, match=r'has no column split; it has id, text, label\. .*set data\.split = ""'):
        data.load_splits(recipe(write(tmp_path / "x.jsonl", found)))


def leaky(folder: Path) -> Path:
    """Three training texts that are measured on, in other case or with other white space."""
    texts = [f"text {n}" for n in range(36)]
    texts[0], texts[3], texts[6], texts[9] = "TEXT  1", "text 2", "Text 2", "text 12"
    return write(folder / "x.jsonl", rows(texts))


def test_training_texts_that_are_measured_on_are_kept_or_dropped(tmp_path: Path) -> None:
    kept = data.load_splits(recipe(leaky(tmp_path)))
    dropped = data.load_splits(recipe(leaky(tmp_path), leaks="drop"))
    assert len(kept["train"]) == 12
    assert dropped["train"]["id"].tolist() == [f"{n:03d}" for n in range(9, 36, 3)]
    for name in ("validation", "test"):
        assert dropped[name].equals(kept[name])


def test_a_limit_is_a_sample_with_labels_in_proportion(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", sorted(many(200), key=lambda row: str(row["label"])))
    smaller, larger = (data.load_splits(recipe(path, **CARVED, limit=n)) for n in (8, 16))
    whole = data.load_splits(recipe(path, **CARVED))
    for name in SPLITS:
        assert (len(smaller[name]), len(larger[name])) == (8, 16)
        assert shares(larger[name]) == shares(smaller[name]) == [0.5, 0.5]
        assert set(smaller[name]["id"]) < set(larger[name]["id"]) < set(whole[name]["id"])
        assert whole[name][whole[name]["id"].isin(larger[name]["id"])]["id"].tolist() == larger[name]["id"].tolist()


def test_a_limit_above_all_takes_all(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", rows([f"t{n}" for n in range(30)]))
    assert len(data.load_splits(recipe(path, limit=99))["train"]) == 10


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


@pytest.mark.parametrize("text", ["", "x", "ü 🎬", "\0", "\ud800", "x" * 1_000_000])
def test_any_text_has_a_hash(text: str) -> None:
    assert len(data.text_sha256(text)) == 64
    assert data.text_sha256(text) != data.text_sha256(text + " ")
    assert data.text_sha256(text, "pair") != data.text_sha256(text)
