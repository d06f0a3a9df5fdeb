"""Data frames -> charts. Pure: colours come from the theme, text colours from the page around."""

from typing import Any

import altair as alt
import pandas as pd
import plotly.graph_objects as go

from core import theme
from core.views import CELL


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
    # A grey that reads on white and on black: a chart does not know which of the two themes it is drawn in.
    figures = base.mark_text(align="left", dx=6, fontSize=14, color="#7A7F87").encode(text="shown:N")
    layers: alt.LayerChart = alt.layer(drawn, figures).properties(height=36 * len(bars)).configure_view(stroke=None)
    return layers


def confusion_matrix(cells: pd.DataFrame, *, by_row: bool, clickable: bool = True) -> alt.LayerChart:
    """A matrix from `views.confusion`: true labels down, decided ones across; shaded by share of the row.

    `by_row` writes shares instead of counts. With `clickable`, a click selects a cell under the name CELL.
    """
    labels = list(cells["true"].unique())
    written = cells.assign(shown=[f"{s:.0%}" for s in cells["share"]] if by_row else cells["count"].astype(str))
    angle = 0 if len(labels) < 4 else -40
    base = alt.Chart(written).encode(
        x=alt.X("decided:N", sort=labels, title="Decided", axis=_matrix_axis(orient="top", labelAngle=angle)),
        y=alt.Y("true:N", sort=labels, title="True", axis=_matrix_axis()),
    )
    picked = alt.selection_point(name=CELL, fields=["true", "decided"])
    squares = base.mark_rect(cornerRadius=2, stroke="gray", strokeOpacity=0.35).encode(
        color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=theme.shades()), legend=None),
        tooltip=["true:N", "decided:N", "count:Q", alt.Tooltip("share:Q", format=".1%", title="of the true label")],
    )
    if clickable:
        # A parameter of the figures too, or a click on one would miss the cell under it.
        squares = squares.encode(opacity=alt.condition(picked, alt.value(1), alt.value(0.45))).add_params(picked)
    figures = base.mark_text(fontSize=15 if len(labels) < 5 else 12, tooltip=False).encode(
        text="shown:N",
        color=alt.condition("datum.share > 0.55", alt.value("white"), alt.value("#1B1F24")),
    )
    if clickable:
        figures = figures.encode(opacity=alt.value(1))
    size = max(220, 44 * len(labels))
    layers: alt.LayerChart = alt.layer(squares, figures).properties(height=size).configure_view(stroke=None)
    return layers


def curves(points: pd.DataFrame, series: list[str], title: str) -> go.Figure:
    """Lines over epochs for some of the series of `views.curves`, each named at its end."""
    figure = go.Figure()
    for colour, name in zip(theme.label_colours(len(series)), series, strict=True):
        line = points[points["series"] == name]
        figure.add_scatter(
            x=line["epoch"],
            y=line["value"],
            name=name,
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


def to_png(chart: alt.LayerChart, width: int) -> bytes:
    """A chart as a PNG of `width` points, at twice that in pixels, on white; no browser is needed."""
    import vl_convert

    light = theme.settings()["light"]
    spec = chart.properties(width=width).configure(background=light["backgroundColor"], padding=16)
    return vl_convert.vegalite_to_png(spec.to_json(), scale=2)


def _matrix_axis(**more: Any) -> alt.Axis:
    return alt.Axis(ticks=False, domain=False, labelLimit=150, labelFontSize=13, titleFontWeight="normal", **more)
