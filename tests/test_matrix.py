"""The confusion matrix as a chart: valid, clickable, and clear of what was chosen."""

import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import charts, confusion, matrix, views
from core.confusion import Written
from core.matrix import Chosen


def cells(k: int, how: Written = "Counts") -> pd.DataFrame:
    counts = np.random.default_rng(k).integers(0, 50, (k, k))
    return confusion.written(views.confusion({"confusion": counts.tolist()}, [f"label {n}" for n in range(k)]), how)


def rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that a chart draws."""
    return next(rows for rows in spec["datasets"].values() if "shown" in rows[0])


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("clickable", [True, False])
def test_a_matrix_is_valid_and_clickable_where_asked(k: int, clickable: bool) -> None:
    spec = matrix.chart(cells(k), clickable=clickable).to_dict(validate=True)
    assert [each["name"] for each in spec.get("params", [])] == ([views.CELL] if clickable else [])
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rect", "text"] + ["rect", "rect"] * clickable
    assert spec["layer"][0]["encoding"]["y"]["sort"] == [f"label {n}" for n in range(k)]


@pytest.mark.parametrize("how", confusion.WRITTEN)
def test_it_writes_what_the_cells_say(how: Written) -> None:
    given = cells(3, how)
    assert [row["shown"] for row in rows(matrix.chart(given).to_dict())] == given["shown"].tolist()


@pytest.mark.parametrize(
    ("chosen", "outlined"),
    [
        ((None, None), set()),
        (("label 1", None), {(1, 0), (1, 1), (1, 2)}),
        ((None, "label 2"), {(0, 2), (1, 2), (2, 2)}),
        (("label 0", "label 2"), {(0, 2)}),
    ],
)
def test_what_was_chosen_stands_out(chosen: Chosen, outlined: set[tuple[int, int]]) -> None:
    given = cells(3)
    drawn = rows(matrix.chart(given, chosen).to_dict())
    assert {divmod(place, 3) for place, row in enumerate(drawn) if row["outlined"]} == outlined
    for row, shade in zip(drawn, given["shade"], strict=True):
        assert row["shade"] == pytest.approx(shade if row["outlined"] or not outlined else 0.35 * shade)


def test_names_of_rows_and_columns_are_clicked_as_any_other_label() -> None:
    spec = matrix.chart(cells(2)).to_dict()
    handles = [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"][2:]]
    assert handles[0] == [{"true": f"label {n}", "decided": ""} for n in range(2)]
    assert handles[1] == [{"true": "", "decided": f"label {n}"} for n in range(2)]


@pytest.mark.parametrize("k", [2, 8])
def test_a_picture_is_a_png_of_twice_the_width(k: int) -> None:
    png = charts.to_png(matrix.chart(cells(k), clickable=False), width=300)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width >= 600
    assert height >= 2 * 40 * k
    assert len(png) > 5_000
