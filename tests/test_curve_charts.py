"""Curves -> charts: every run in its colour, named where it ends."""

from typing import Any

import numpy as np
import pytest

from core import curve_charts, curves, theme
from tests.histories import history


def overlaid(*histories: list[dict[str, Any]], title: str = "Loss") -> Any:
    names = ["<b>mrpc</b> 1", "mrpc 2", "sst2"][: len(histories)]
    return curve_charts.overlay({name: curves.of(each) for name, each in zip(names, histories, strict=True)}, title)


def test_runs_are_lines_in_colours_of_their_own_and_named_on_the_right() -> None:
    chart = overlaid(history(3, 20), history(2, 20))
    assert [line.line.color for line in chart.data] == [colour for colour in theme.label_colours(2) for _ in range(2)]
    assert [line.name.split(", ")[1] for line in chart.data] == ["training", "validation"] * 2
    validation = chart.data[1]
    assert list(validation.x) == [1, 2, 3]
    assert list(validation.y) == pytest.approx([0.69, 0.68, 0.67])
    assert chart.layout.title.text == "Loss"
    words = [each.text for each in chart.layout.annotations]
    assert [each.partition("</span> ")[2] for each in words] == ["&lt;b&gt;mrpc&lt;/b&gt; 1", "mrpc 2"]
    assert [colour in each for colour, each in zip(theme.label_colours(2), words, strict=True)] == [True, True]
    low, high = chart.layout.yaxis.range
    places = [each.y for each in chart.layout.annotations]
    assert 260 * abs(places[0] - places[1]) / (high - low) > 13  # the height of the letters
    assert low <= min(places) < max(places) <= high


def test_a_run_on_its_own_has_its_lines_named() -> None:
    words = [each.text.partition("</span> ")[2] for each in overlaid(history(3, 20)).layout.annotations]
    assert words == ["training", "validation"]
    scores = overlaid(history(3, 20), title="Accuracy")
    assert [list(line.y) for line in scores.data] == [[0.9, 0.9, 0.9]]


def test_a_run_before_the_end_of_its_first_epoch_is_named_at_its_training_loss() -> None:
    begun = [entry for entry in history(1, 5) if entry["kind"] == "step"]
    chart = overlaid(history(2, 5), begun)
    assert len(chart.data) == 3
    assert len(chart.layout.annotations) == 2
    assert chart.layout.xaxis.range[1] >= 2


@pytest.mark.parametrize("histories", [[], [[]], [[], []]])
def test_nothing_makes_an_empty_chart(histories: list[list[dict[str, Any]]]) -> None:
    assert not overlaid(*histories).data


def points(epochs: int, steps: int) -> Any:
    """Curves of so many epochs, with so many logged steps each."""
    logged = [
        {"kind": "step", "epoch": (1 + n) / max(1, steps), "loss": 1 / (1 + n)} for n in range(epochs * steps)
    ] + [{"kind": "epoch", "epoch": float(n), "validation_loss": abs(n - 2) + 0.25} for n in range(1, epochs + 1)]
    return curves.of(logged)


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
    spec = curve_charts.losses(points(epochs, steps)).to_dict(validate=True)
    assert written(spec) == names


def test_a_loss_of_steps_alone_can_be_drawn() -> None:
    steps = points(2, 10)[lambda rows: rows["series"] == "training loss"]
    assert written(curve_charts.losses(steps).to_dict(validate=True)) == ["training"]


def test_scores_that_end_alike_have_names_that_do_not_overlap() -> None:
    logged = [{"kind": "epoch", "epoch": 1.0, "validation_accuracy": 0.9, "validation_f1_macro": 0.9}]
    names = ["validation accuracy", "validation f1 macro"]
    spec = curve_charts.epoch_scores(curves.of(logged), names).to_dict(validate=True)
    assert written(spec) == ["Accuracy 0.900", "F1 (macro) 0.900"]
    places = [rows[0]["value"] for rows in spec["datasets"].values() if "colour" in rows[0]]
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert 280 * abs(places[0] - places[1]) / (high - low) > 13  # the height of the letters


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.1, 0.9], [0.5], [3.0, 1.0, 2.9]])
def test_labels_are_put_apart_in_their_order(values: list[float]) -> None:
    places = curve_charts._apart(values, gap=0.5)
    assert sorted(range(len(values)), key=values.__getitem__) == sorted(range(len(values)), key=places.__getitem__)
    assert all(abs(one - other) >= 0.5 - 1e-9 for n, one in enumerate(places) for other in places[:n])
    if len(values) > 1 and np.diff(sorted(values)).min() >= 0.5:
        assert places == values
