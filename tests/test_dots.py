"""The chart of slices."""

import numpy as np
import pytest

from core import dots, slices
from core.slices import Grouping, Slices
from tests.split import evaluation, predictions

OF = evaluation(predictions(), leaked=["e1", "e2", "e3"])
TABLE = slices.table(OF.slices, OF.right)


def test_slices_are_drawn_with_intervals_and_can_be_clicked() -> None:
    spec = dots.chart(TABLE, 0.8).to_dict(validate=True)
    assert [each["name"] for each in spec["params"]] == [dots.SLICE]
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "rule", "point"]
    drawn = spec["datasets"][spec["layer"][2]["data"]["name"]]
    assert [row["slice"] for row in drawn] == TABLE["slice"].tolist()
    assert {row["clear"] for row in drawn} == {1.0}


def test_a_chosen_slice_stands_out() -> None:
    name = TABLE["slice"][1]
    spec = dots.chart(TABLE, 0.8, name).to_dict(validate=True)
    drawn = spec["datasets"][spec["layer"][2]["data"]["name"]]
    assert [row["slice"] for row in drawn if row["clear"] == 1] == [name]


@pytest.mark.parametrize("n", [1, 21, 60])
def test_at_most_the_worst_are_drawn(n: int) -> None:
    rows = Slices([Grouping.of_one(f"s{place}", np.arange(100) == place) for place in range(n)])
    spec = dots.chart(slices.table(rows, np.ones(100, bool)), 1.0).to_dict(validate=True)
    assert len(spec["datasets"][spec["layer"][2]["data"]["name"]]) == min(n, dots.SHOWN)
