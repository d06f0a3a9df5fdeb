"""Charts: valid specifications, colours that stay, and pictures."""

from itertools import permutations
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
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


def test_no_series_is_named_in_html() -> None:
    name = 'validation <a href="http://evil">x</a>'
    points = pd.DataFrame({"epoch": [1, 2], "series": [name] * 2, "value": [0.5, 0.6]})
    (line,) = charts.curves(points, [name], "Scores").data
    assert line.name == "validation &lt;a href=&quot;http://evil&quot;&gt;x&lt;/a&gt;"


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


def points(epochs: int, steps: int) -> Any:
    """Curves of so many epochs, with so many logged steps each."""
    logged = [
        {"kind": "step", "epoch": (1 + n) / max(1, steps), "loss": 1 / (1 + n)} for n in range(epochs * steps)
    ] + [{"kind": "epoch", "epoch": float(n), "validation_loss": abs(n - 2) + 0.25} for n in range(1, epochs + 1)]
    return views.curves(logged)


def written(spec: dict[str, Any]) -> list[str]:
    """The texts that a chart's text marks show, in drawing order."""
    texts = []
    for layer in spec["layer"]:
        if layer["mark"]["type"] == "text":
            rows = spec["datasets"][layer.get("data", spec.get("data"))["name"]]
            texts += [str(row[layer["encoding"]["text"]["field"]]) for row in rows]
    return texts


@pytest.mark.parametrize(
    ("epochs", "steps", "names"),
    [
        (3, 40, ["lowest 0.250", "training", "validation"]),
        (1, 0, ["lowest 1.25", "validation"]),
        (1, 1, ["lowest 1.25", "training", "validation"]),
    ],
)
def test_losses_are_named_where_they_end(epochs: int, steps: int, names: list[str]) -> None:
    spec = charts.losses(points(epochs, steps)).to_dict(validate=True)
    assert written(spec) == names


def test_a_loss_of_steps_alone_can_be_drawn() -> None:
    steps = points(2, 10)[lambda rows: rows["series"] == "training loss"]
    assert written(charts.losses(steps).to_dict(validate=True)) == ["training"]


def test_scores_that_end_alike_have_names_that_do_not_overlap() -> None:
    logged = [{"kind": "epoch", "epoch": 1.0, "validation_accuracy": 0.9, "validation_f1_macro": 0.9}]
    names = ["validation accuracy", "validation f1 macro"]
    spec = charts.epoch_scores(views.curves(logged), names).to_dict(validate=True)
    assert written(spec) == ["Accuracy 0.900", "F1 (macro) 0.900"]
    places = [rows[0]["value"] for rows in spec["datasets"].values() if "colour" in rows[0]]
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert 280 * abs(places[0] - places[1]) / (high - low) > 13  # the height of the letters


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.1, 0.9], [0.5], [3.0, 1.0, 2.9]])
def test_labels_are_put_apart_in_their_order(values: list[float]) -> None:
    places = charts._apart(values, gap=0.5)
    assert sorted(range(len(values)), key=values.__getitem__) == sorted(range(len(values)), key=places.__getitem__)
    assert all(abs(one - other) >= 0.5 - 1e-9 for n, one in enumerate(places) for other in places[:n])
    if len(values) > 1 and np.diff(sorted(values)).min() >= 0.5:
        assert places == values


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
