"""Frames -> charts of what is gained against what it costs: ROC, precision and recall, coverage and accuracy."""

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import pandas as pd

from core import theme
from core.charts import GREY
from core.wording import figure

Place = tuple[float, float]
"""x and y"""
Ends = tuple[Place, Place]
"""of a straight line"""


def roc(points: pd.DataFrame, chosen: Place) -> alt.LayerChart:
    """`threshold.roc` with the chosen threshold marked, and what guessing would give."""
    return _chosen(
        points, chosen, ((0, 0), (1, 1)), "share of the first label taken for the second", "share of the second found"
    )


def precision_recall(points: pd.DataFrame, chosen: Place, share: float) -> alt.LayerChart:
    """`threshold.precision_recall` with the same; guessing is right on the label's `share` (0 to 1)."""
    return _chosen(
        points, chosen, ((0, share), (1, share)), "recall: share of the second label found", "precision: share right"
    )


def coverage(points: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of the surest share of the answers, from `selective.measure`, and of all of them."""
    low = max(0.0, min(points["accuracy"].min(), points["accuracy"].iloc[-1]) - 0.02)
    overall = float(points["accuracy"].iloc[-1])
    line = points.rename(columns={"coverage": "x", "accuracy": "y"})
    drawn = _curve(line, ((0, overall), (1, overall)), "share of the texts that are answered", "accuracy", (low, 1))
    return _layered(drawn)


def _chosen(points: pd.DataFrame, chosen: Place, guessed: Ends, across: str, up: str) -> alt.LayerChart:
    x, y = chosen
    mark = pd.DataFrame({"x": [x], "y": [y], "shown": [f"{figure(x)}, {figure(y)}"]})
    base = alt.Chart(mark).encode(x="x:Q", y="y:Q", tooltip=[alt.Tooltip("shown:N", title="At the threshold")])
    dot = base.mark_point(filled=True, size=130, opacity=1, color=theme.label_colours(1)[0])
    return _layered([*_curve(points, guessed, across, up, (0, 1)), dot])


def _curve(
    points: pd.DataFrame, straight: Ends, across: str, up: str, height: tuple[float, float]
) -> Sequence[alt.Chart]:
    """A line, and a dashed straight one to compare it with."""
    x = alt.X("x:Q", title=across, scale=alt.Scale(domain=[0, 1], nice=False), axis=_axis())
    y = alt.Y("y:Q", title=up, scale=alt.Scale(domain=list(height), nice=False), axis=_axis())
    dashed = alt.Chart(pd.DataFrame(straight, columns=["x", "y"]))
    return [
        dashed.mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1.5).encode(x=x, y=y),
        alt.Chart(points)
        .mark_line(color=theme.label_colours(2)[1], strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("x:Q", title=across, format=".3f"), alt.Tooltip("y:Q", title=up, format=".3f")],
        )
        .transform_window(place="row_number()"),
    ]


def _layered(layers: Sequence[alt.Chart]) -> alt.LayerChart:
    layered = cast("alt.LayerChart", alt.layer(*layers)).properties(height=300)
    found: alt.LayerChart = layered.configure_view(stroke=None)
    return found


def _axis(**more: Any) -> alt.Axis:
    quiet: dict[str, Any] = {"grid": False, "domain": False, "tickColor": GREY, "tickCount": 5, "labelFontSize": 12}
    return alt.Axis(**(quiet | {"titleFontSize": 13, "titleFontWeight": "normal"} | more))
