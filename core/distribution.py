"""How many reviews have which label, and how sure that is: frames of `answers` -> charts. Pure."""

import altair as alt
import pandas as pd

from core import theme

GREY = "#7A7F87"
"""Reads on white and on black."""


def by_label(labels: pd.DataFrame) -> alt.LayerChart:
    """A bar a label from `answers.counts`, the commonest first; labels have their colours."""
    base = alt.Chart(labels.sort_values("count", ascending=False, kind="stable")).encode(
        y=alt.Y(
            "label:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=160, labelFontSize=14)
        ),
        x=alt.X("count:Q", scale=alt.Scale(domain=[0, 1.6 * max(labels["count"].max(), 1)], nice=False), axis=None),
    )
    drawn = base.mark_bar(cornerRadius=3, height=22).encode(
        color=_colour(len(labels)),
        tooltip=[alt.Tooltip("label:N", title="Label"), alt.Tooltip("shown:N", title="Reviews")],
    )
    figures = base.mark_text(align="left", dx=6, fontSize=14, color=GREY).encode(text="shown:N")
    layers: alt.LayerChart = alt.layer(drawn, figures).properties(height=36 * len(labels)).configure_view(stroke=None)
    return layers


def by_confidence(bins: pd.DataFrame, n_labels: int) -> alt.Chart:
    """How sure the model is: bars of `answers.confidences`, the labels on top of each other in their colours."""
    axis = alt.Axis(grid=False, domain=False, tickColor=GREY, labelFontSize=12, format="%", tickCount=6)
    chart: alt.Chart = (
        alt.Chart(bins)
        .mark_bar(binSpacing=1, stroke=None)
        .encode(
            x=alt.X("low:Q", bin="binned", title="confidence", axis=axis),
            x2="high:Q",
            y=alt.Y("count:Q", title="reviews", axis=alt.Axis(grid=False, domain=False, tickColor=GREY, tickCount=3)),
            color=_colour(n_labels),
            order="index:O",
            tooltip=["label:N", alt.Tooltip("low:Q", format=".0%"), alt.Tooltip("high:Q", format=".0%"), "count:Q"],
        )
        .properties(height=180)
        .configure_view(stroke=None)
    )
    return chart


def _colour(n_labels: int) -> alt.Color:
    scale = alt.Scale(domain=list(range(n_labels)), range=theme.label_colours(n_labels))
    return alt.Color("index:O", scale=scale, legend=None)
