"""Training runs: how was the model made, and what did it cost?"""

import streamlit as st

from core import charts, runs, ui, views
from core.runs import Record

ui.start("Training runs", "How was the model made, and what did it cost?")


def progress(record: Record) -> None:
    """Loss and metrics over the epochs."""
    points = views.curves(record.history)
    for title, series in views.curve_groups(points).items():
        st.plotly_chart(
            charts.curves(points, series, title), width="stretch", config={"displayModeBar": False}, key=title
        )


def machinery(record: Record) -> None:
    """Recipe, environment and data, folded away."""
    for title, table in (
        ("Environment and cost", views.environment(record.environment)),
        ("Recipe", views.settings(record.recipe)),
        ("Data and audit", views.audit(record.data)),
    ):
        with st.expander(title):
            st.dataframe(table, hide_index=True, width="stretch", height="content")


with ui.errors():
    model = ui.pick()
    if model:
        progress(model.record)
        machinery(model.record)
    if every := runs.every():
        st.subheader("Runs on this machine", anchor=False)
        st.dataframe(views.runs_table(every), hide_index=True, width="stretch", height="content")
