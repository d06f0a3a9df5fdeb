"""Charts: valid specifications, colours that stay, and pictures."""

import struct
from itertools import permutations
from typing import Any

import altair as alt
import numpy as np
import pytest

from core import charts, theme, views
from core.runs import Run

LABELS = ["bad", "mixed", "<b>good</b>"]


def marks(chart: alt.LayerChart) -> dict[str, dict[str, Any]]:
    """The encoding of each kind of mark in a chart, once the schema has accepted the chart."""
    spec = chart.to_dict(validate=True)
    return {layer["mark"]["type"]: layer["encoding"] for layer in spec["layer"]}


def colour_of_each_label(probabilities: tuple[float, ...]) -> dict[str, str]:
    bars = views.bars(np.array(probabilities), LABELS)
    scale = marks(charts.confidence_bars(bars))["bar"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    return {row.label: colours[row.index_] for row in bars.rename(columns={"index": "index_"}).itertuples()}


@pytest.mark.parametrize("probabilities", list(permutations([0.7, 0.2, 0.1])))
def test_a_label_keeps_its_colour_whatever_the_order(probabilities: tuple[float, ...]) -> None:
    assert colour_of_each_label(probabilities) == dict(zip(LABELS, theme.label_colours(3), strict=True))


@pytest.mark.parametrize("k", [2, 3, 8, 12])
def test_confidence_bars_are_valid_for_any_number_of_labels(k: int) -> None:
    bars = views.bars(np.full(k, 1 / k), [f"label {n}" for n in range(k)])
    found = marks(charts.confidence_bars(bars))
    assert found["bar"]["color"]["legend"] is None
    assert found["text"]["text"]["field"] == "shown"
    assert found["bar"]["y"]["sort"] is None


def matrix(k: int) -> Any:
    counts = np.random.default_rng(k).integers(0, 50, (k, k))
    return views.confusion({"confusion": counts.tolist()}, [f"label {n}" for n in range(k)])


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("clickable", [True, False])
def test_a_confusion_matrix_is_valid_and_clickable_where_asked(k: int, by_row: bool, clickable: bool) -> None:
    chart = charts.confusion_matrix(matrix(k), by_row=by_row, clickable=clickable)
    spec = chart.to_dict(validate=True)
    assert [each["name"] for each in spec.get("params", [])] == ([views.CELL] if clickable else [])
    assert set(marks(chart)) == {"rect", "text"}
    assert marks(chart)["rect"]["y"]["sort"] == [f"label {n}" for n in range(k)]


@pytest.mark.parametrize("by_row", [True, False])
def test_a_confusion_matrix_writes_shares_or_counts(by_row: bool) -> None:
    spec = charts.confusion_matrix(matrix(2), by_row=by_row).to_dict()
    (rows,) = spec["datasets"].values()
    expected = [f"{row['share']:.0%}" if by_row else str(row["count"]) for row in rows]
    assert [row["shown"] for row in rows] == expected


@pytest.mark.parametrize("k", [2, 8])
def test_a_picture_is_a_png_of_twice_the_width(k: int) -> None:
    chart = charts.confusion_matrix(matrix(k), by_row=False, clickable=False)
    png = charts.to_png(chart, width=300)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width >= 600
    assert height >= 2 * 44 * k
    assert len(png) > 5_000


def test_a_runs_picture_is_a_png(run: Run) -> None:
    png = (run.path / "pictures" / "confusion.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 5_000


def test_curves_are_one_line_a_series_in_fixed_colours(run: Run) -> None:
    points = views.curves(run.record.history)
    for title, series in views.curve_groups(points).items():
        figure = charts.curves(points, series, title)
        assert figure.layout.title.text == title
        assert [line.name for line in figure.data] == series
        assert [line.line.color for line in figure.data] == theme.label_colours(len(series))
        for line in figure.data:
            expected = points[points["series"] == line.name]
            assert list(line.y) == list(expected["value"])
            assert list(line.x) == list(expected["epoch"])


def test_no_series_make_an_empty_figure() -> None:
    assert not charts.curves(views.curves([]), [], "Nothing").data
