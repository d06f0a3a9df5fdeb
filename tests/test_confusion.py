"""The confusion matrix's cells, and the order of its labels."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from core import confusion, views
from core.confusion import Written

LABELS = ["a", "b", "c"]
CELLS = views.confusion({"confusion": [[3, 1, 0], [0, 0, 0], [1, 2, 1234]]}, LABELS)


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ("Counts", ["3", "1", "0", "0", "0", "0", "1", "2", "1,234"]),
        ("Of the true label", ["75%", "25%", "0%", "0%", "0%", "0%", "0%", "0%", "100%"]),
        ("Of the decided label", ["75%", "33%", "0%", "0%", "0%", "0%", "25%", "67%", "100%"]),
    ],
)
def test_cells_say_counts_or_shares_of_their_row_or_column(how: Written, shown: list[str]) -> None:
    assert confusion.written(CELLS, how)["shown"].tolist() == shown


@pytest.mark.parametrize("how", ["Of the true label", "Of the decided label"])
def test_shares_are_as_dark_as_they_are_large_and_add_up(how: Written) -> None:
    found = confusion.written(CELLS, how)
    sums = found.groupby("true" if how == "Of the true label" else "decided")["shade"].sum()
    assert sums.round(9).isin([0, 1]).all()
    assert confusion.written(CELLS, "Counts")["shade"].tolist() == CELLS["share"].tolist()


def neighbours(counts: np.ndarray, order: list[int]) -> float:
    """How often labels that stand side by side are taken for each other, in shares of both."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return sum(shares[one, other] + shares[other, one] for one, other in pairwise(order))


def test_labels_that_are_taken_for_each_other_stand_together() -> None:
    groups = [0, 1, 2, 0, 1, 2]  # 0 and 3 are one block, 1 and 4 another
    counts = np.array([[80 if i == j else 15 if groups[i] == groups[j] else 1 for j in range(6)] for i in range(6)])
    order = confusion.in_blocks(counts)
    assert sorted(order) == list(range(6))
    assert [groups[place] for place in order] in ([list(each) for each in _blocks()])
    assert neighbours(counts, order) == max(neighbours(counts, list(each)) for each in permutations(range(6)))


def _blocks() -> list[tuple[int, ...]]:
    return [tuple(group for group in groups for _ in range(2)) for groups in permutations(range(3))]


@pytest.mark.parametrize("k", [2, 3])
def test_few_labels_keep_their_order(k: int) -> None:
    assert confusion.in_blocks(np.ones((k, k), dtype=int)) == list(range(k))


def test_a_matrix_in_blocks_is_the_same_matrix() -> None:
    counts = np.random.default_rng(5).integers(0, 40, (5, 5))
    labels = list("vwxyz")
    split, order = confusion.ordered({"confusion": counts.tolist()}, labels, blocks=True)
    one = views.confusion(split, order).set_index(["true", "decided"])["count"].to_dict()
    assert (
        one == views.confusion({"confusion": counts.tolist()}, labels).set_index(["true", "decided"])["count"].to_dict()
    )
    assert confusion.ordered({"confusion": counts.tolist()}, labels, blocks=False)[1] == labels


def test_a_label_without_examples_has_a_place() -> None:
    counts = np.diag([5, 0, 4, 3])
    assert sorted(confusion.in_blocks(counts)) == [0, 1, 2, 3]
