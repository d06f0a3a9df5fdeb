"""Accuracy of slices as a chart: dots with their intervals, a row each, beside the accuracy of all."""

from typing import Final, cast

import altair as alt
import pandas as pd

from core import theme
from core.charts import GREY

SHOWN: Final = 20
"""Slices that are drawn, the worst; the table has all."""
SLICE: Final = "slice"
"""Name of the chart's selection."""


def chart(found: pd.DataFrame, overall: float, chosen: str | None = None) -> alt.LayerChart:
    """Dots from `slices.table`; `overall` is the accuracy of all examples. A click selects a row under the name SLICE.

    Slices of few examples are hollow; what is not `chosen` is faded.
    """
    rows = found.head(SHOWN)
    clear = (rows["slice"] == chosen) | (chosen is None)
    base = alt.Chart(rows.assign(clear=clear.map({True: 1.0, False: 0.35}))).encode(
        y=alt.Y(
            "slice:N",
            sort=None,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelLimit=190, labelFontSize=13, labelPadding=8),
        ),
        opacity=alt.Opacity("clear:Q", scale=None),
        tooltip=[
            alt.Tooltip("slice:N", title="Slice"),
            alt.Tooltip("n:Q", title="Examples", format=","),
            alt.Tooltip("accuracy:Q", title="Accuracy", format=".3f"),
            alt.Tooltip("difference:Q", title="Against the rest", format="+.3f"),
        ],
    )
    low = max(0.0, float(rows["low"].min()) - 0.02)
    scale = alt.Scale(domain=[low, 1], nice=False)
    axis = alt.Axis(grid=False, domain=False, tickColor=GREY, tickCount=5, titleFontWeight="normal")
    colour = theme.label_colours(2)[1]
    x = alt.X("accuracy:Q", scale=scale, axis=axis, title="accuracy")
    picked = alt.selection_point(name=SLICE, fields=["slice"])
    spread = base.mark_rule(color=colour, strokeWidth=3, cursor="pointer").encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    dots = base.mark_point(color=colour, size=110, strokeWidth=2, cursor="pointer").encode(
        x=x, fill=alt.condition("datum.few", alt.value("transparent"), alt.value(colour))
    )
    line = alt.Chart(pd.DataFrame({"accuracy": [overall]})).mark_rule(color=GREY, strokeDash=[5, 4]).encode(x=x)
    layers = cast("alt.LayerChart", alt.layer(line, spread.add_params(picked), dots))
    height: alt.LayerChart = layers.properties(height=28 * len(rows) + 50).configure_view(stroke=None)
    return height
