"""The confusion matrix as a chart that can be clicked: its cells, and the names of its rows and columns."""

from typing import Any, cast

import altair as alt
import pandas as pd

from core import theme
from core.views import CELL

Chosen = tuple[str | None, str | None]
"""A true and a decided label; None where any is meant."""

_HANDLE: dict[str, Any] = {"opacity": 0.0, "cursor": "pointer"}
"""What is clicked in place of a name: axes take no clicks."""
_INK = "#1B1F24"
"""On the cells, whose colours are the same in both themes."""
_LONGEST = 150
"""Points that a name is given."""


def chart(cells: pd.DataFrame, chosen: Chosen = (None, None), *, clickable: bool = True) -> alt.LayerChart:
    """A matrix from `confusion.written`: true labels down, decided ones across; what is `chosen` stands out.

    With `clickable`, a click on a cell, or on the name of a row or a column, selects it under the name CELL.
    """
    labels = list(cells["true"].unique())
    base = alt.Chart(_marked(cells, chosen)).encode(
        x=alt.X(
            "decided:N",
            sort=labels,
            title="Decided",
            axis=_axis(orient="top", labelAngle=-90 if _upright(labels) else 0),
        ),
        y=alt.Y("true:N", sort=labels, title="True", axis=_axis()),
    )
    squares = base.mark_rect(cornerRadius=2, cursor="pointer" if clickable else "default").encode(
        stroke=alt.condition("datum.outlined", alt.value(_INK), alt.value("rgba(128, 128, 128, 0.35)")),
        strokeWidth=alt.condition("datum.outlined", alt.value(2), alt.value(1)),
        color=alt.Color("shade:Q", scale=alt.Scale(domain=[0, 1], range=theme.shades()), legend=None),
        tooltip=[
            alt.Tooltip("true:N", title="True"),
            alt.Tooltip("decided:N", title="Decided"),
            alt.Tooltip("count:Q", title="Examples", format=","),
            alt.Tooltip("share:Q", title="Of the true label", format=".1%"),
        ],
    )
    figures = base.mark_text(fontSize=15 if len(labels) < 5 else 12, tooltip=False).encode(
        text="shown:N",
        color=alt.condition("datum.shade > 0.6", alt.value("white"), alt.value(_INK)),
    )
    layers = [squares, figures]
    if clickable:
        layers[0] = squares.add_params(alt.selection_point(name=CELL, fields=["true", "decided"]))
        layers += _handles(labels)
    if chosen != (None, None):
        # Ink cannot be seen on a dark page; a light edge around it can.
        edges = base.transform_filter("datum.outlined").mark_rect(color="white", stroke="white", strokeWidth=5)
        layers.insert(0, edges)
    height = 40 * max(len(labels), 4) + _height(labels) + 24
    stacked = cast("alt.LayerChart", alt.layer(*layers)).properties(height=height)
    found: alt.LayerChart = stacked.configure_view(stroke=None)
    return found


def _marked(cells: pd.DataFrame, chosen: Chosen) -> pd.DataFrame:
    """The cells with `outlined`: whether they are of the chosen labels; all others are made lighter."""
    if chosen == (None, None):
        return cells.assign(outlined=False)
    meant = pd.Series(True, index=cells.index)
    for column, label in zip(("true", "decided"), chosen, strict=True):
        meant &= (cells[column] == label) | (label is None)
    return cells.assign(outlined=meant, shade=cells["shade"].where(meant, 0.35 * cells["shade"]))


def _handles(labels: list[str]) -> list[alt.Chart]:
    """Over the names of rows and columns, what is clicked; the label that is not meant is empty."""
    rows = alt.Chart(pd.DataFrame({"true": labels, "decided": ""})).encode(
        y=alt.Y("true:N", sort=labels), tooltip=[alt.Tooltip("true:N", title="All that are")]
    )
    columns = alt.Chart(pd.DataFrame({"true": "", "decided": labels})).encode(
        x=alt.X("decided:N", sort=labels), tooltip=[alt.Tooltip("decided:N", title="All taken for")]
    )
    return [
        rows.mark_rect(**_HANDLE).encode(x=alt.value(-_length(labels)), x2=alt.value(0)),
        columns.mark_rect(**_HANDLE).encode(y=alt.value(-_height(labels)), y2=alt.value(0)),
    ]


def _length(labels: list[str]) -> int:
    """About what the longest name takes, in points."""
    return min(_LONGEST, 7 * max(map(len, labels))) + 16


def _height(labels: list[str]) -> int:
    """The same across the top, where the names of many labels stand upright."""
    return _length(labels) if _upright(labels) else 28


def _upright(labels: list[str]) -> bool:
    return len(labels) > 3


def _axis(**more: Any) -> alt.Axis:
    quiet: dict[str, Any] = {
        "ticks": False,
        "domain": False,
        "labelLimit": _LONGEST,
        "labelOverlap": False,
        "labelFontSize": 13,
        "titleFontWeight": "normal",
    }
    return alt.Axis(**(quiet | more))
