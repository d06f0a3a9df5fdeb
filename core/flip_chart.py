"""Flips as a chart: the confusion matrix of the difference, which a reader can click. Pure."""

import altair as alt
import pandas as pd

from core import flips, theme
from core.charts import quiet_axis

INK = "#1B1F24"
"""Of the figures, on light colours in both themes."""


def difference_matrix(cells: pd.DataFrame, labels: list[str]) -> alt.LayerChart:
    """`flips.matrix`: a row a change of the decision, a column a true label; a click selects under `flips.CLICKED`.

    What a flip does is said by the sign in its cell, and by its colour.
    """
    colours = [theme.tint(theme.label_colours(6)[place]) for place in (5, 4)] + [theme.tint("#808080")]
    column = alt.X(
        "true:N",
        sort=labels,
        title="True label",
        scale=alt.Scale(domain=labels),
        axis=_axis(orient="top", labelAngle=0 if len(labels) < 4 else -40),
    )
    base = alt.Chart(cells).encode(x=column, y=alt.Y("change:N", sort=None, title=None, axis=_axis(labelLimit=150)))
    picked = alt.selection_point(name=flips.CLICKED, fields=["flip"])
    squares = (
        base.mark_rect(cornerRadius=2, stroke="#6E6E6E")
        .encode(
            color=alt.Color("effect:N", scale=alt.Scale(domain=list(flips.EFFECTS), range=colours), legend=None),
            strokeWidth=alt.condition(picked, alt.value(2.5), alt.value(0.5), empty=False),
            tooltip=[
                alt.Tooltip("true:N", title="True label"),
                alt.Tooltip("change:N", title="Decision"),
                alt.Tooltip("n:Q", title="Examples"),
                alt.Tooltip("effect:N", title="For the"),
            ],
        )
        .add_params(picked)
    )
    # A parameter of the squares alone, or a click on a figure would miss the cell under it.
    figures = base.mark_text(fontSize=14 if len(labels) < 5 else 12, color=INK, tooltip=False).encode(text="shown:N")
    rows = cells["change"].nunique()
    chart: alt.LayerChart = alt.layer(squares, figures).properties(height=80 + 44 * rows).configure_view(stroke=None)
    return chart


def _axis(**more: object) -> alt.Axis:
    return quiet_axis(ticks=False, labelFontSize=12, labelOverlap=False, **more)
