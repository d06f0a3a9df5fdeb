"""Charts of curves: valid, with the chosen point where it is."""

from typing import Any

import altair as alt
import pytest

from core import selective, threshold, tradeoffs
from tests.split import evaluation, predictions

OF = evaluation(predictions(n=3000), 0.7)
ROC, PRECISION_RECALL = threshold.roc(OF.found), threshold.precision_recall(OF.found)
ON_ROC, ON_PRECISION_RECALL = threshold.on_roc(OF.cells), threshold.on_precision_recall(OF.cells)


def data(chart: alt.LayerChart) -> list[list[dict[str, Any]]]:
    """What each layer draws, once the schema has accepted the chart."""
    spec = chart.to_dict(validate=True)
    return [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"]]


@pytest.mark.parametrize(
    ("chart", "chosen"),
    [
        (tradeoffs.roc(ROC, ON_ROC), ON_ROC),
        (tradeoffs.precision_recall(PRECISION_RECALL, ON_PRECISION_RECALL, 0.5), ON_PRECISION_RECALL),
    ],
    ids=["ROC", "precision and recall"],
)
def test_the_chosen_threshold_is_marked_on_the_curve(chart: alt.LayerChart, chosen: tuple[float, float]) -> None:
    guessed, curve, mark = data(chart)
    assert len(guessed) == 2
    assert (mark[0]["x"], mark[0]["y"]) == chosen
    assert min(abs(each["x"] - chosen[0]) + abs(each["y"] - chosen[1]) for each in curve) < 0.02


def test_coverage_is_compared_with_answering_all() -> None:
    points = selective.measure(OF.confidence, OF.right).points
    straight, curve = data(tradeoffs.coverage(points))
    assert {each["y"] for each in straight} == {points["accuracy"].iloc[-1]}
    assert len(curve) == len(points)
