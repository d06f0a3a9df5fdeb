"""Predictions in memory and as a file."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from core import predictions
from core.errors import RunError
from core.predictions import Predictions
from tests.pairs import NAMES, names, noisy, relabelled, shuffled, table, with_first


def some(n: int = 20, k: int = 3) -> Predictions:
    rng = np.random.default_rng(n * k)
    return Predictions(
        id=pd.array([f"é{i}" for i in range(n)], dtype="str"),
        text_sha256=pd.array([f"{i:064x}" for i in range(n)], dtype="str"),
        label=rng.integers(0, k, n),
        logits=rng.normal(size=(n, k)).astype(np.float32),
        n_tokens=rng.integers(1, 900, n),
        truncated=rng.random(n) < 0.5,
    )


@pytest.mark.parametrize(("n", "k"), [(1, 2), (20, 2), (7, 8)])
def test_a_file_gives_back_every_bit(tmp_path: Path, n: int, k: int) -> None:
    one = some(n, k)
    one.save(tmp_path / "x.parquet")
    again = predictions.load(tmp_path / "x.parquet")
    assert len(again) == n
    for name in ("id", "text_sha256", "label", "logits", "n_tokens", "truncated"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name), err_msg=name)
        assert getattr(again, name).dtype.kind == getattr(one, name).dtype.kind


def test_probabilities_are_the_softmax_in_double_precision() -> None:
    found = some(50, 8)
    expected = torch.softmax(torch.tensor(found.logits, dtype=torch.float64), dim=1).numpy()
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.decisions, expected.argmax(1))


def test_strings_that_were_read_lie_in_arrow(tmp_path: Path) -> None:
    some(100).save(tmp_path / "x.parquet")
    again = predictions.load(tmp_path / "x.parquet")
    assert again.text_sha256.nbytes <= 100 * 64 + 101 * 8
    assert (again.id[3], again.id[[5, 2]].tolist()) == ("é3", ["é5", "é2"])


@pytest.mark.parametrize("n", [1, 7, 16])
def test_confidence_is_the_decisions_probability_whatever_is_computed_at_a_time(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "BLOCK", 7)
    found = some(n, 8)
    np.testing.assert_allclose(found.confidence, found.probabilities.max(axis=1), rtol=1e-12)


def test_of_equal_logits_the_first_is_decided() -> None:
    one = some(2)
    tied = Predictions(one.id, one.text_sha256, one.label, np.zeros((2, 3), np.float32), one.n_tokens, one.truncated)
    assert tied.decisions.tolist() == [0, 0]


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "recipe" / "id" / "predictions" / "test.parquet"
    path.parent.mkdir(parents=True)
    some().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match=r"recipe/id/predictions/test.parquet is damaged"):
        predictions.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"predictions/test.parquet is missing"):
        predictions.load(tmp_path / "predictions" / "test.parquet")


@pytest.mark.parametrize("column", ["id", "text_sha256", "label", "logits", "n_tokens", "truncated"])
def test_a_file_without_a_column_is_damaged(tmp_path: Path, column: str) -> None:
    path = tmp_path / "x.parquet"
    some().save(path)
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(RunError, match="damaged"):
        predictions.load(path)


@pytest.mark.parametrize("column", ["id", "text_sha256", "label", "n_tokens", "truncated"])
def test_an_empty_cell_is_damage(tmp_path: Path, column: str) -> None:
    path = tmp_path / "x.parquet"
    some(2).save(path)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns([column]).append_column(column, pa.nulls(2, table[column].type)), path)
    with pytest.raises(RunError, match="damaged"):
        predictions.load(path)


def test_the_file_is_the_same_whatever_the_strings_and_logits_lie_in(tmp_path: Path) -> None:
    one, wide = some(50, 8), some(50, 16)
    other = dataclasses.replace(one, id=np.array(one.id.tolist()), logits=np.asfortranarray(one.logits))
    part = dataclasses.replace(one, logits=wide.logits[::1, ::2])
    for name, found in {"one": one, "other": other, "part": part}.items():
        found.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    np.testing.assert_array_equal(predictions.load(tmp_path / "part").logits, wide.logits[:, ::2])


@pytest.mark.parametrize("logits", [[[1.0, 2.0], [3.0]], [[1.0], [1.0, 2.0, 3.0]], [[1.0, 2.0], None]])
def test_rows_of_different_lengths_are_damage(tmp_path: Path, logits: list[list[float] | None]) -> None:
    path = tmp_path / "x.parquet"
    some(2).save(path)
    table = pq.read_table(path).drop_columns(["logits"])
    pq.write_table(table.append_column("logits", pa.array(logits, pa.list_(pa.float32()))), path)
    with pytest.raises(RunError, match="damaged"):
        predictions.load(path)


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.arange(20) % 3 == 0], ids=["numbers", "which"])
def test_some_rows_are_taken_of_every_column(rows: Any) -> None:
    found, whole = some().take(rows), some()
    for name in predictions.SCHEMA.names:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name)[rows])


def rows_of(found: Predictions) -> dict[str, tuple[Any, ...]]:
    return {
        name: (text, label, *logits)
        for name, text, label, logits in zip(
            found.id, found.text_sha256, found.label, found.logits.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_what_is_shared_stands_in_one_order_whatever_the_order_of_examples_and_labels(order: tuple[int, ...]) -> None:
    one, other = noisy(50, 3, 1), noisy(50, 3, 2)
    there = relabelled(shuffled(other.take(np.arange(10, 50))), order)
    left, right = predictions.shared(shuffled(one, 1), there, names(3), [names(3)[place] for place in order])
    assert left.id.tolist() == right.id.tolist()
    assert rows_of(left) == rows_of(one.take(np.arange(10, 50)))
    assert rows_of(right) == rows_of(other.take(np.arange(10, 50)))


@pytest.mark.parametrize("change", [("text_sha256", "f" * 64), ("id", "another"), ("id", "r1")])
def test_an_id_with_another_text_is_another_example(change: tuple[str, str]) -> None:
    one = noisy(80, 2, 1)
    left, right = predictions.shared(one, with_first(one, *change), NAMES, NAMES)
    assert left.id.tolist() == right.id.tolist() == one.id[1:].tolist()


@pytest.mark.parametrize(
    ("change", "labels", "said"),
    [
        ({"id": np.array([f"x{row}" for row in range(10)])}, NAMES, "No example is shared: of 10 and 10"),
        ({"label": np.ones(10, dtype=np.int64)}, NAMES, "10 of 10 shared examples have different true labels"),
        ({}, NAMES[::-1], "10 of 10 shared examples have different true labels"),
        ({}, ("bad", "good"), "labels differ: negative, positive on one side, bad, good on the other"),
        ({}, ("negative", "positive", "mixed"), "labels differ"),
        ({"logits": np.zeros((10, 3), np.float32)}, NAMES, "3 outputs are not of a model of 2 labels"),
        ({"logits": np.full((10, 2), np.nan, np.float32)}, NAMES, "10 of 10 predictions hold no numbers"),
        ({"logits": np.full((10, 2), -np.inf, np.float32)}, NAMES, "hold no numbers"),
    ],
)
def test_what_cannot_be_compared_is_told(change: dict[str, Any], labels: tuple[str, ...], said: str) -> None:
    one, other = table(5, 2, 2, 1)
    with pytest.raises(RunError, match=said):
        predictions.shared(one, dataclasses.replace(other, **change), NAMES, labels)
