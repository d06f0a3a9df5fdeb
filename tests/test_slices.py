"""Slices: every example where it belongs, the worst first, and as counting has it."""

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from core import slices
from core.slices import Grouping, Slices
from tests.split import evaluation, predictions

FOUND = predictions(n=300)
COLUMNS = pd.DataFrame(
    {"conflict": np.arange(300) % 50 == 0, "genre": np.where(np.arange(300) % 3 == 0, "poetry", "crime"), "note": ""},
    index=FOUND.id,
)
COLUMNS.loc[FOUND.id[:5], "note"] = "=1+1"


def test_all_groups_are_there() -> None:
    names = list(slices.of(FOUND, ["e1", "e2"], COLUMNS.iloc[::-1]))  # the rows' order does not matter
    lengths = [name for name in names if name.endswith("tokens long")]
    assert len(lengths) == 4
    assert names[4:] == [
        "Longer than the model reads", "Read before: in training or validation, too", "With another label elsewhere",
        "genre: crime", "genre: poetry", "note: (nothing)", "note: =1+1",
    ]  # fmt: skip


def test_slices_hold_the_examples_they_name() -> None:
    found = slices.of(FOUND, ["e1", "e2"], COLUMNS)
    assert found["genre: poetry"].tolist() == (COLUMNS["genre"] == "poetry").tolist()
    assert found["With another label elsewhere"].sum() == 6
    assert FOUND.id[found["Read before: in training or validation, too"]].tolist() == ["e1", "e2"]
    assert found["Longer than the model reads"].tolist() == FOUND.truncated.tolist()


def test_lengths_part_the_examples_into_quarters() -> None:
    groups = [rows for name, rows in slices.of(FOUND, [], None).items() if name.endswith("tokens long")]
    assert np.sum(groups, axis=0).tolist() == [1] * 300
    assert all(0.15 < rows.mean() < 0.35 for rows in groups)
    for shorter, longer in itertools.pairwise(groups):
        assert FOUND.n_tokens[shorter].max() < FOUND.n_tokens[longer].min()


def test_groups_of_all_or_none_are_left_out() -> None:
    short = predictions(n=40).take(np.arange(40))
    same = type(short)(**{**vars(short), "n_tokens": np.full(40, 9), "truncated": np.zeros(40, bool)})
    assert not slices.of(same, [], pd.DataFrame({"conflict": False, "kind": "book"}, index=same.id))
    assert slices.table(Slices([]), np.ones(40, bool)).empty
    assert next(iter(slices.shown(slices.table(Slices([]), np.ones(40, bool))).columns)) == "Slice"


def test_examples_that_a_slices_file_does_not_know_are_in_no_named_slice() -> None:
    found = slices.of(FOUND, [], COLUMNS.iloc[100:])
    assert not found["With another label elsewhere"][:100].any()
    assert found["genre: (nothing)"][:100].all()


def test_a_column_of_many_values_has_slices_for_the_commonest() -> None:
    many = pd.DataFrame({"title": [f"t{n // 2 if n < 20 else n}" for n in range(300)]}, index=FOUND.id)
    found = slices.of(FOUND, [], many)
    titles = [name for name in found if name.startswith("title")]
    assert len(titles) == slices.MOST
    assert {f"title: t{n}" for n in range(10)} <= set(titles)


def test_a_slice_that_is_not_there_is_none() -> None:
    found = slices.of(FOUND, [], None)
    assert "genre: poetry" not in found
    with pytest.raises(KeyError):
        found["genre: poetry"]


def test_figures_are_those_of_counting() -> None:
    right = evaluation(FOUND).right
    groups = slices.of(FOUND, ["e1"], COLUMNS)
    for row in slices.table(groups, right).to_dict("records"):
        rows = groups[row["slice"]]
        assert row["n"] == rows.sum()
        assert row["accuracy"] == pytest.approx(right[rows].mean())
        assert (row["low"], row["high"]) == pytest.approx(
            proportion_confint(right[rows].sum(), rows.sum(), method="wilson")
        )
        assert row["difference"] == pytest.approx(right[rows].mean() - right[~rows].mean())
        assert row["few"] == (rows.sum() < 20)


def test_the_worst_come_first_and_few_wrong_ones_are_not_the_worst() -> None:
    right = np.array([True] * 80 + [False] * 20)
    bad, few = np.arange(100) >= 70, np.arange(100) == 99
    groups = [Grouping.of_one(name, rows) for name, rows in (("good", ~bad), ("few", few), ("bad", bad))]
    found = slices.table(Slices(groups), right)
    assert found["slice"].tolist() == ["bad", "few", "good"]
    assert found["few"].tolist() == [False, True, False]
    shown = slices.shown(found)
    assert shown["Examples"].tolist() == ["30", "1 (few)", "70"]
    assert shown["Against the rest"].tolist() == ["-0.667", "-0.808", "+0.667"]


def test_an_evaluation_offers_what_its_record_holds() -> None:
    plain = evaluation(FOUND).slices
    assert not [name for name in plain if "genre" in name or "Read before" in name]
    full = evaluation(FOUND, leaked=["e7"], columns=COLUMNS).slices
    assert {"genre: poetry", "Read before: in training or validation, too"} <= set(full)
