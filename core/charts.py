"""Data frames -> charts. Pure: colours come from the theme, text colours from the page around."""

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd

from core import theme
from core.metrics import BINS
from core.wording import figure

GREY = "#7A7F87"
"""Reads on white and on black: a chart does not know which of the two themes it is drawn in."""


def confidence_bars(bars: pd.DataFrame) -> alt.LayerChart:
    """Bars from `views.bars`, each named and figured directly; a label's colour is its own everywhere."""
    colours = theme.label_colours(len(bars))
    base = alt.Chart(bars).encode(
        y=alt.Y(
            "label:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=180, labelFontSize=14)
        ),
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.18]), axis=None),
    )
    drawn = base.mark_bar(cornerRadius=3, height=22).encode(
        color=alt.Color("index:O", scale=alt.Scale(domain=list(range(len(bars))), range=colours), legend=None),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("shown:N", title="Confidence")],
    )
    figures = base.mark_text(align="left", dx=6, fontSize=14, color=GREY).encode(text="shown:N")
    layers: alt.LayerChart = alt.layer(drawn, figures).properties(height=36 * len(bars)).configure_view(stroke=None)
    return layers


def accuracy_over_time(points: pd.DataFrame) -> alt.LayerChart:
    """Test accuracy with its interval, a point a revision, from `revisions.over_time`; tags stand above."""
    (colour,) = theme.label_colours(1)
    base = alt.Chart(points).encode(
        x=alt.X("commit:N", sort=None, title=None, axis=quiet_axis(labelAngle=0)),
        tooltip=[alt.Tooltip("commit:N", title="Commit"), alt.Tooltip("value:Q", title="Accuracy", format=".3f")],
    )
    scale = alt.Scale(zero=False, nice=False, padding=20)
    y = alt.Y("value:Q", scale=scale, axis=quiet_axis(tickCount=5), title=None)
    spread = base.mark_rule(color=colour, strokeWidth=2, opacity=0.45).encode(y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(color=colour, size=90, filled=True, opacity=1).encode(y=y)
    words = base.mark_text(dy=-12, fontSize=13, color=GREY).encode(y=alt.Y("high:Q"), text="tags:N")
    chart: alt.LayerChart = titled([spread, dots, words], "Test accuracy").configure_view(stroke=None)
    return chart


def class_bars(scores: pd.DataFrame) -> alt.FacetChart:
    """Precision, recall and F1 of each label from `views.class_scores`, side by side; labels keep their colours."""
    header = alt.Header(title=None, labelFontSize=14, labelAnchor="start", labelPadding=4)
    panels: alt.FacetChart = (
        _class_bars(scores)
        .properties(width=150)
        .facet(column=alt.Column("metric:N", sort=list(dict.fromkeys(scores["metric"])), header=header), spacing=16)
        .configure_view(stroke=None)
    )
    return panels


def metric_bars(scores: pd.DataFrame, metric: str) -> alt.LayerChart:
    """One of these three alone, as wide as there is room."""
    bars: alt.LayerChart = _class_bars(scores[scores["metric"] == metric]).configure_view(stroke=None)
    return bars


def _class_bars(scores: pd.DataFrame) -> alt.LayerChart:
    labels = list(dict.fromkeys(scores["label"]))
    colours = theme.label_colours(len(labels))
    rows = scores.assign(row=[f"{label} ({n:,})" for label, n in zip(scores["label"], scores["n"], strict=True)])
    base = alt.Chart(rows).encode(
        y=alt.Y("row:N", sort=None, title=None, axis=_matrix_axis(labelLimit=260, labelPadding=6)),
        x=alt.X("value:Q", scale=alt.Scale(domain=[0, 1.25], nice=False), axis=None),
    )
    drawn = base.mark_bar(cornerRadius=2, height={"band": 0.7}).encode(
        color=alt.Color("index:O", scale=alt.Scale(domain=list(range(len(labels))), range=colours), legend=None),
        tooltip=["label:N", "metric:N", "shown:N", "n:Q"],
    )
    figures = base.mark_text(align="left", dx=5, fontSize=12, color=GREY).encode(text="shown:N")
    layers = cast("alt.LayerChart", alt.layer(drawn, figures))
    return layers.properties(height={"step": 26 if len(labels) <= 8 else 20})


def reliability(bins: pd.DataFrame, error: float, width: int = 400) -> alt.VConcatChart:
    """Accuracy against confidence from `views.reliability`, the number of examples below; `error` is the ECE.

    `width` is the diagram's, in points, without its axis.
    """
    left = min(bins["low"].min(), 7 / BINS)  # two labels are never less sure than 0.5
    bottom = np.floor(10 * min(left, bins["accuracy_low"].min())) / 10
    across = alt.Scale(domain=[left, 1], nice=False)
    up = alt.Scale(domain=[bottom, 1], nice=False)
    ideal = pd.DataFrame({"confidence": [left, 1.0], "accuracy": [left, 1.0]})
    beside = pd.DataFrame(
        {"confidence": [left, 1.0], "accuracy": [1.0, bottom], "shown": ["less sure than right", "surer than right"]}
    )
    x = alt.X("confidence:Q", scale=across, axis=None)
    y = alt.Y("accuracy:Q", scale=up, axis=quiet_axis(tickCount=5, format=".1f"), title="accuracy")
    colour = theme.label_colours(2)[1]
    found = alt.Chart(bins).encode(x=x, y=y)
    layers = [
        alt.Chart(ideal).mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1.5).encode(x=x, y=y),
        *_corners(beside, x, y),
        found.mark_rule(color=colour, strokeWidth=2, opacity=0.45)
        .encode(y=y, y2="accuracy_high:Q")
        .encode(y="accuracy_low:Q"),
        found.mark_point(color=colour, filled=True, size=75, opacity=1),
    ]
    diagram = titled(layers, f"Expected calibration error {figure(error)}").properties(width=width)
    both: alt.VConcatChart = alt.vconcat(diagram, _counts(bins, across, width), spacing=8).configure_view(stroke=None)
    return both


def to_png(chart: alt.LayerChart | alt.FacetChart | alt.VConcatChart, width: int | None = None) -> bytes:
    """A chart as a PNG of `width` points (or its own), at twice that in pixels, on white; no browser is needed."""
    import vl_convert

    light = theme.settings()["light"]
    sized = chart.properties(width=width) if width else chart
    spec = sized.configure(background=light["backgroundColor"], padding=16, view={"stroke": None})
    return vl_convert.vegalite_to_png(spec.to_json(), scale=2)


def _counts(bins: pd.DataFrame, across: alt.Scale, width: int) -> alt.LayerChart:
    """A strip with a bar a bin."""
    shown = [f"{n}" if n < 1000 else f"{n / 1000:.1f}k" for n in bins["count"]]
    gap = 0.001
    base = alt.Chart(
        bins.assign(
            low=bins["low"] + gap,
            high=bins["high"] - gap,
            middle=(bins["low"] + bins["high"]) / 2,
            floor=0,
            shown=shown,
        )
    )
    y = alt.Y("count:Q", axis=None)
    ends = alt.X("low:Q", scale=across, axis=quiet_axis(tickCount=6, format=".1f"), title="confidence")
    drawn = base.mark_rect(color=GREY, opacity=0.5).encode(x=ends, x2="high:Q", y=y, y2="floor:Q")
    middle = alt.X("middle:Q", scale=across)
    figures = base.mark_text(dy=-7, fontSize=11, color=GREY).encode(x=middle, y=y, text="shown:N")
    return cast("alt.LayerChart", alt.layer(drawn, figures)).properties(width=width, height=60)


def _corners(words: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """What the sides of the diagonal mean: in the upper left corner, and in the lower right one."""
    upper, lower = (alt.Chart(words.iloc[[n]]).encode(x=x, y=y, text="shown:N") for n in (0, 1))
    return [
        upper.mark_text(fontSize=12, color=GREY, align="left", dx=8, dy=10),
        lower.mark_text(fontSize=12, color=GREY, align="right", dx=-8, dy=-10),
    ]


def titled(layers: Sequence[alt.Chart], title: str) -> alt.LayerChart:
    """Charts over each other under a title; not configured, so that it can be part of another chart."""
    above = alt.Title(title, anchor="start", fontSize=15, fontWeight="normal", offset=12)
    return cast("alt.LayerChart", alt.layer(*layers)).properties(title=above, height=280)


def quiet_axis(**more: Any) -> alt.Axis:
    """Ticks and their labels, without lines that carry nothing."""
    quiet: dict[str, Any] = {
        "grid": False,
        "domain": False,
        "tickColor": GREY,
        "labelFlush": False,
        "labelFontSize": 12,
    }
    return alt.Axis(**(quiet | {"titleFontSize": 13, "titleFontWeight": "normal"} | more))


def _matrix_axis(**more: Any) -> alt.Axis:
    quiet: dict[str, Any] = {
        "ticks": False,
        "domain": False,
        "labelLimit": 150,
        "labelFontSize": 13,
        "titleFontWeight": "normal",
    }
    return alt.Axis(**(quiet | more))
