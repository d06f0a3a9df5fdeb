"""Charts: valid specifications, colours that stay, and pictures."""

from itertools import permutations
from typing import Any

import altair as alt
import numpy as np
import pytest

from core import charts, theme, views
from core.predictions import Predictions
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


@pytest.mark.parametrize("name", ["confusion", "loss", "metrics", "per_class", "reliability"])
def test_a_runs_pictures_are_pngs(run: Run, name: str) -> None:
    png = (run.path / "pictures" / f"{name}.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 5_000


@pytest.mark.parametrize("k", [2, 8, 20])
def test_bars_of_labels_keep_the_labels_colours(k: int) -> None:
    rows = [{"label": f"label {n}", "precision": 0.5, "recall": 0.5, "f1": n / k, "n": 1000 + n} for n in range(k)]
    spec = charts.class_bars(views.class_scores({"per_class": rows})).to_dict(validate=True)
    bar = next(layer for layer in spec["spec"]["layer"] if layer["mark"]["type"] == "bar")
    scale = bar["encoding"]["color"]["scale"]
    assert (scale["domain"], scale["range"]) == (list(range(k)), theme.label_colours(k))
    assert spec["facet"]["column"]["sort"] == ["Precision", "Recall", "F1"]
    (shown,) = spec["datasets"].values()
    assert shown[0]["row"] == f"label {k - 1} ({1000 + k - 1:,})"


def test_a_reliability_diagram_says_its_error_and_shows_every_bin() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    names, n = np.array(["x"] * 500), len(logits)
    found = Predictions(names, names, logits.argmax(1), 3 * logits, np.ones(n, int), np.zeros(n, bool))
    bins = views.reliability(found)
    spec = charts.reliability(bins, 0.0123).to_dict(validate=True)
    diagram, strip = spec["vconcat"]
    assert diagram["title"]["text"] == "Expected calibration error 0.0123"
    drawn = spec["datasets"][strip.get("data", strip["layer"][0].get("data"))["name"]]
    assert [row["count"] for row in drawn] == list(bins["count"])
    assert sum(row["count"] for row in drawn) == n
    left, right = strip["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert left <= bins["confidence"].min()
    assert right == 1
