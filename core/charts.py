"""Data frames -> charts. Pure: colours come from the theme, text colours from the page around."""

import html
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core import theme, views
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


def curves(points: pd.DataFrame, series: list[str], title: str) -> go.Figure:
    """Lines over epochs for some of the series of `views.curves`, each named at its end."""
    figure = go.Figure()
    for colour, name in zip(theme.label_colours(len(series)), series, strict=True):
        line = points[points["series"] == name]
        figure.add_scatter(
            x=line["epoch"],
            y=line["value"],
            name=html.escape(name),  # Plotly reads some HTML
            mode="lines" if len(line) > 12 else "lines+markers",
            line={"color": colour, "width": 2},
            hovertemplate="%{y:.3f}",
        )
    figure.update_layout(
        title={"text": title, "font": {"size": 15}},
        height=320,
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.22, "x": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(title="epoch", showgrid=False, zeroline=False)
    figure.update_yaxes(zeroline=False, nticks=5)
    return figure


def losses(points: pd.DataFrame) -> alt.LayerChart:
    """Loss over the epochs, from `views.curves`.

    Training's is a light line with a smoothed one, validation's a line with a point an epoch; its lowest is ringed.
    """
    steps, epochs = views.training_loss(points), views.by_epoch(points, ["validation loss"])
    training, validation = theme.label_colours(2)
    low, high = _around(pd.concat([steps["value"], epochs["value"]]))
    x = _epochs(points, start=0.0)
    y = alt.Y("value:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=_quiet_axis(tickCount=5), title=None)
    light = alt.Chart(steps).mark_line(color=training, strokeWidth=1, opacity=0.35).encode(x=x, y=y)
    smooth = alt.Chart(steps).mark_line(color=training, strokeWidth=2.5).encode(x=x, y=y.copy()).encode(y="smooth:Q")
    line = alt.Chart(epochs).mark_line(color=validation, strokeWidth=2, point={"size": 70, "color": validation})
    ends = pd.concat(
        [
            steps.tail(1).assign(value=steps["smooth"].tail(1), title="training", colour=training),
            epochs.tail(1).assign(title="validation", colour=validation),
        ]
    )
    marks = [light, smooth, line.encode(x=x, y=y), *_lowest(epochs, steps, x, y), *_ends(ends, x, y, high - low)]
    chart: alt.LayerChart = _titled(marks, "Loss").configure_view(stroke=None)
    return chart


def epoch_scores(points: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """Validation scores over the epochs, from `views.curves`, each named and figured at its end."""
    epochs = views.by_epoch(points, names)
    colours = theme.label_colours(len(names))
    low, high = _around(epochs["value"])
    x = _epochs(epochs, start=epochs["epoch"].min())
    y = alt.Y("value:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=_quiet_axis(tickCount=5), title=None)
    colour = alt.Color("series:N", scale=alt.Scale(domain=list(names), range=colours), legend=None)
    line = alt.Chart(epochs).mark_line(strokeWidth=2, point={"size": 60}).encode(x=x, y=y, color=colour)
    last = epochs.groupby("series").tail(1)
    ends = last.assign(
        title=[f"{title} {figure(value)}" for title, value in zip(last["title"], last["value"], strict=True)],
        colour=last["series"].map(dict(zip(names, colours, strict=True))),
    )
    marks = [line, *_ends(ends, x, y, high - low)]
    chart: alt.LayerChart = _titled(marks, "Validation scores").configure_view(stroke=None)
    return chart


def accuracy_over_time(points: pd.DataFrame) -> alt.LayerChart:
    """Test accuracy with its interval, a point a revision, from `revisions.over_time`; tags stand above."""
    (colour,) = theme.label_colours(1)
    base = alt.Chart(points).encode(
        x=alt.X("commit:N", sort=None, title=None, axis=_quiet_axis(labelAngle=0)),
        tooltip=[alt.Tooltip("commit:N", title="Commit"), alt.Tooltip("value:Q", title="Accuracy", format=".3f")],
    )
    scale = alt.Scale(zero=False, nice=False, padding=20)
    y = alt.Y("value:Q", scale=scale, axis=_quiet_axis(tickCount=5), title=None)
    spread = base.mark_rule(color=colour, strokeWidth=2, opacity=0.45).encode(y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(color=colour, size=90, filled=True, opacity=1).encode(y=y)
    words = base.mark_text(dy=-12, fontSize=13, color=GREY).encode(y=alt.Y("high:Q"), text="tags:N")
    chart: alt.LayerChart = _titled([spread, dots, words], "Test accuracy").configure_view(stroke=None)
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
    y = alt.Y("accuracy:Q", scale=up, axis=_quiet_axis(tickCount=5, format=".1f"), title="accuracy")
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
    diagram = _titled(layers, f"Expected calibration error {figure(error)}").properties(width=width)
    both: alt.VConcatChart = alt.vconcat(diagram, _counts(bins, across, width), spacing=8).configure_view(stroke=None)
    return both


def to_png(chart: alt.LayerChart | alt.FacetChart | alt.VConcatChart, width: int | None = None) -> bytes:
    """A chart as a PNG of `width` points (or its own), at twice that in pixels, on white; no browser is needed."""
    import vl_convert

    light = theme.settings()["light"]
    sized = chart.properties(width=width) if width else chart
    spec = sized.configure(background=light["backgroundColor"], padding=16, view={"stroke": None})
    return vl_convert.vegalite_to_png(spec.to_json(), scale=2)


def _lowest(epochs: pd.DataFrame, steps: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """A ring around the lowest validation loss, its figure on the side where the training loss is not."""
    lowest = epochs.nsmallest(1, "value").assign(shown=[f"lowest {figure(v)}" for v in epochs["value"].nsmallest(1)])
    around = steps["smooth"][(steps["epoch"] - lowest["epoch"].sum()).abs() < 0.1]
    colour, below = theme.label_colours(2)[1], around.mean() > lowest["value"].sum()
    base = alt.Chart(lowest).encode(x=x, y=y)
    ring = base.mark_point(color=colour, size=220, strokeWidth=2)
    return [ring, base.mark_text(color=colour, fontSize=13, dy=20 if below else -18).encode(text="shown:N")]


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
    ends = alt.X("low:Q", scale=across, axis=_quiet_axis(tickCount=6, format=".1f"), title="confidence")
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


def _ends(ends: pd.DataFrame, x: alt.X, y: alt.Y, height: float) -> list[alt.Chart]:
    """A name (`title`) in its colour at the end of each line, none over another; `height` is the chart's, in values."""
    placed = ends.assign(value=_apart(ends["value"].tolist(), gap=height / 13))
    return [
        alt.Chart(placed.iloc[[n]])
        .mark_text(align="left", dx=14, fontSize=13, color=colour)
        .encode(x=x, y=y, text="title:N")
        for n, colour in enumerate(placed["colour"])
    ]


def _apart(values: Sequence[float], gap: float) -> list[float]:
    """Places for labels at `values`: in the same order, at least `gap` apart, and on average where the values are."""
    order = np.argsort(values, kind="stable")
    places = np.array(values, dtype=float)
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + gap)
    return [float(place) for place in places - (places - values).mean()]


def _around(values: pd.Series) -> tuple[float, float]:
    """An axis' ends: the values' own, with a little room."""
    low, high = float(values.min()), float(values.max())
    room = max((high - low) / 8, 0.01)
    return low - room, high + room


def _epochs(points: pd.DataFrame, start: float) -> alt.X:
    """The axis of epochs; one that is alone stands in the middle."""
    last = float(points["epoch"].max())
    domain = [start, last] if last > start else [last - 1, last + 1]
    ticks = list(range(int(np.ceil(start)), round(last) + 1))
    axis = _quiet_axis(format="d", **({"values": ticks} if len(ticks) <= 12 else {"tickMinStep": 1}))
    return alt.X("epoch:Q", scale=alt.Scale(domain=domain, nice=False), axis=axis, title="epoch")


def _titled(layers: Sequence[alt.Chart], title: str) -> alt.LayerChart:
    """Charts over each other under a title; not configured, so that it can be part of another chart."""
    above = alt.Title(title, anchor="start", fontSize=15, fontWeight="normal", offset=12)
    return cast("alt.LayerChart", alt.layer(*layers)).properties(title=above, height=280)


def _quiet_axis(**more: Any) -> alt.Axis:
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
