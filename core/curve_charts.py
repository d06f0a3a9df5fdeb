"""Curves -> charts: how losses and scores went over the epochs, of one run or of several. Pure."""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core import curves, theme
from core.charts import quiet_axis, titled
from core.wording import figure


class _Line(NamedTuple):
    """A line of `overlay`."""

    run: str
    kind: str
    colour: str
    points: pd.DataFrame


def overlay(runs: Mapping[str, pd.DataFrame], title: str) -> go.Figure:
    """One chart of `curves.SHOWN` for several runs, each from `curves.of`, by the names that stand at their ends.

    A run has a colour. What validation says is a line with a point an epoch, the training loss a thin one, smoothed.
    A run on its own has these two named instead.
    """
    lines = _lines(runs, title)
    chart = go.Figure([_trace(line) for line in lines])
    if len(runs) == 1:
        _name_ends(chart, {line.kind: line for line in lines})
    else:
        _name_ends(chart, {line.run: line for line in lines})  # of a run's lines the last, validation's where it is
    chart.update_layout(
        title={"text": title, "font": {"size": 15}},
        height=320,
        showlegend=False,
        hovermode="x unified",
        uirevision=title,  # who looked closer goes on to do so while a run grows
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return chart


def _lines(runs: Mapping[str, pd.DataFrame], title: str) -> list[_Line]:
    found = []
    for colour, (name, points) in zip(theme.label_colours(len(runs)), runs.items(), strict=True):
        for series in curves.SHOWN[title]:
            if series == curves.TRAINING:
                smooth = curves.training_loss(points)
                found.append(_Line(name, "training", colour, smooth.assign(value=smooth["smooth"])))
            else:
                found.append(_Line(name, "validation", colour, curves.by_epoch(points, [series])))
    return [line for line in found if len(line.points)]


def _trace(line: _Line) -> go.Scatter:
    thin = line.kind == "training"
    return go.Scatter(
        x=line.points["epoch"],
        y=line.points["value"],
        name=html.escape(f"{line.run}, {line.kind}"),  # Plotly reads some HTML
        mode="lines" if thin or len(line.points) > 30 else "lines+markers",
        line={"color": line.colour, "width": 1.3 if thin else 2.5},
        marker={"size": 7},
        opacity=0.75 if thin else 1,
        hovertemplate="%{y:.3f}",
    )


def _name_ends(chart: go.Figure, names: Mapping[str, _Line]) -> None:
    """Name lines on the right, at the height where they end, none over another: there no other line crosses a name."""
    if not names:
        return
    low, high = _around(pd.concat([pd.Series(trace.y) for trace in chart.data]))
    places = _apart([line.points["value"].iloc[-1] for line in names.values()], gap=(high - low) / 14)
    for (name, line), place in zip(names.items(), places, strict=True):
        words = f'<span style="color:{line.colour}">●</span> {html.escape(name)}'
        at = {"x": 1, "xref": "paper", "y": place, "xanchor": "left", "showarrow": False}
        chart.add_annotation(text=words, font={"size": 13}, **at)
    last = max(max(trace.x) for trace in chart.data)
    ticks = {"dtick": 1} if last <= 12 else {"nticks": 8}
    chart.update_layout(margin={"l": 8, "r": 24 + 7.5 * max(map(len, names)), "t": 48, "b": 8})
    chart.update_xaxes(title="epoch", showgrid=False, zeroline=False, range=[0, 1.03 * last], **ticks)
    chart.update_yaxes(zeroline=False, nticks=5, range=[min(low, *places), max(high, *places)])


def losses(points: pd.DataFrame) -> alt.LayerChart:
    """Loss over the epochs, from `curves.of`.

    Training's is a light line with a smoothed one, validation's a line with a point an epoch; its lowest is ringed.
    """
    steps, epochs = curves.training_loss(points), curves.by_epoch(points, ["validation loss"])
    training, validation = theme.label_colours(2)
    low, high = _around(pd.concat([steps["value"], epochs["value"]]))
    x = _epochs(points, start=0.0)
    y = alt.Y("value:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=quiet_axis(tickCount=5), title=None)
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
    chart: alt.LayerChart = titled(marks, "Loss").configure_view(stroke=None)
    return chart


def epoch_scores(points: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """Validation scores over the epochs, from `curves.of`, each named and figured at its end."""
    epochs = curves.by_epoch(points, names)
    colours = theme.label_colours(len(names))
    low, high = _around(epochs["value"])
    x = _epochs(epochs, start=epochs["epoch"].min())
    y = alt.Y("value:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=quiet_axis(tickCount=5), title=None)
    colour = alt.Color("series:N", scale=alt.Scale(domain=list(names), range=colours), legend=None)
    line = alt.Chart(epochs).mark_line(strokeWidth=2, point={"size": 60}).encode(x=x, y=y, color=colour)
    last = epochs.groupby("series").tail(1)
    ends = last.assign(
        title=[f"{title} {figure(value)}" for title, value in zip(last["title"], last["value"], strict=True)],
        colour=last["series"].map(dict(zip(names, colours, strict=True))),
    )
    marks = [line, *_ends(ends, x, y, high - low)]
    chart: alt.LayerChart = titled(marks, "Validation scores").configure_view(stroke=None)
    return chart


def _lowest(epochs: pd.DataFrame, steps: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """A ring around the lowest validation loss, its figure on the side where the training loss is not."""
    lowest = epochs.nsmallest(1, "value").assign(shown=[f"lowest {figure(v)}" for v in epochs["value"].nsmallest(1)])
    around = steps["smooth"][(steps["epoch"] - lowest["epoch"].sum()).abs() < 0.1]
    colour, below = theme.label_colours(2)[1], around.mean() > lowest["value"].sum()
    base = alt.Chart(lowest).encode(x=x, y=y)
    ring = base.mark_point(color=colour, size=220, strokeWidth=2)
    return [ring, base.mark_text(color=colour, fontSize=13, dy=20 if below else -18).encode(text="shown:N")]


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
    axis = quiet_axis(format="d", **({"values": ticks} if len(ticks) <= 12 else {"tickMinStep": 1}))
    return alt.X("epoch:Q", scale=alt.Scale(domain=domain, nice=False), axis=axis, title="epoch")
