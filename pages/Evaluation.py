"""Evaluation: where is the model right, and where is it wrong?"""

import streamlit as st

from core import charts, ui, views, wording
from core.runs import Record

ui.start("Evaluation", "How often is the model right, and where is it wrong?")

SHOWN = 10


def scores(record: Record, split: str) -> None:
    """The main figures as cards beside the baselines, all of them in a table."""
    table = views.scores(record.metrics["splits"][split], record.data["baselines"])
    for column, row in zip(st.columns(len(views.HEADLINE)), views.headline(table), strict=True):
        column.metric(row["title"], wording.figure(row["value"]), help=row["meaning"], border=True)
        column.caption(wording.beside(row))
    if split == "test" and (leaks := wording.leaks(record.metrics["splits"])):
        st.caption(leaks)
    with st.expander("All metrics, with intervals"):
        st.dataframe(views.scores_shown(table), hide_index=True, width="stretch", height="content")


def confusion(record: Record, split: str) -> None:
    """The matrix; a click on a cell chooses it."""
    st.subheader("Which labels are taken for which", anchor=False)
    by_row = st.segmented_control("Show", ["Counts", "Shares"], default="Counts", key="cells", bind="query-params")
    chart = charts.confusion_matrix(
        views.confusion(record.metrics["splits"][split], record.labels), by_row=by_row == "Shares"
    )
    st.altair_chart(
        chart,
        width="stretch",
        key="matrix",
        on_select=choose_cell,
        alt="Confusion matrix: click a cell to list its examples",
    )


def choose_cell() -> None:
    """Take a click on the matrix over into the two boxes that the examples follow, and so into the URL."""
    if cell := views.clicked(st.session_state["matrix"]):
        st.session_state["true"], st.session_state["decided"] = cell


def examples(record: Record, split: str, name: str) -> None:
    """The examples of the chosen cell, most confident first."""
    left, right = st.columns(2)
    true = left.selectbox("True label", record.labels, index=None, key="true", bind="query-params")
    decided = right.selectbox("Decided label", record.labels, index=None, key="decided", bind="query-params")
    if not (true and decided):
        st.caption("Click a cell of the matrix, or choose both labels, to read its examples.")
        return
    found = views.cell_examples(record.predictions(split), ui.load_texts(name, split), record.labels, true, decided)
    st.caption(wording.count_examples(len(found), SHOWN))
    for row in views.records(found.head(SHOWN)):
        with st.container(border=True):
            st.markdown(wording.example_text(row))
            st.caption(f"{wording.percent(row['confidence'])} sure · {wording.as_markdown(row['id'])}")


with ui.errors():
    model = ui.pick()
    if model:
        split = (
            st.segmented_control("Split", ["test", "validation"], default="test", key="split", bind="query-params")
            or "test"
        )
        scores(model.record, split)
        confusion(model.record, split)
        examples(model.record, split, model.name)
        st.subheader("By label", anchor=False)
        st.dataframe(
            views.per_class(model.record.metrics["splits"][split]), hide_index=True, width="stretch", height="content"
        )
