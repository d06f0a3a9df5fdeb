"""What the Evaluation page opens on, as Streamlit draws it: its cards, its matrix, and the examples that are wrong."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from core import address, confusion, examples, matrix, ui, views, wording
from core.evaluation import Evaluation
from core.examples import Choice
from core.runs import Record
from core.threshold import USUAL

PAGE: Final = ("page",)
"""In the address: what begins anew with another list of examples."""
LOOK: Final = "look"
"""In the address: which tab below the matrix is open, none for that of the examples."""
IN_ORDER, IN_BLOCKS = "As given", "Similar together"


def cards(record: Record, split: str, scores: Mapping[str, Any], at: float) -> None:
    """The main figures as cards beside the baselines, all of them in a table."""
    table = views.scores(scores, record.data["baselines"])
    side_by_side = st.container(horizontal=True)
    for row in views.headline(table):
        with side_by_side.container(width=ui.CARD):
            st.metric(row["title"], wording.figure(row["value"]), help=row["meaning"], border=True)
            st.caption(wording.beside(row))
    if at != USUAL:
        st.caption(
            f"Decided at a threshold of {at}; the published scores are at {USUAL}. ROC-AUC, loss and calibration do "
            "not depend on it."
        )
    elif split == "test" and (leaks := wording.leaks(record.metrics["splits"])):
        st.caption(leaks)
    with st.expander("All metrics, with intervals"):
        st.dataframe(views.scores_shown(table), hide_index=True, width="stretch", height="content")
        ui.offer(lambda: table, f"scores-{split}")


def confusions(labels: tuple[str, ...], scores: dict[str, Any]) -> None:
    """The matrix; a click on a cell or a name chooses what the examples are of."""
    st.header("Which labels are taken for which", anchor=False)
    how = address.segments(
        "Show",
        confusion.WRITTEN,
        "cells",
        help="Shares of the true label are its recall (row-normalised); of the decided label, its precision "
        "(column-normalised).",
    )
    in_blocks = (
        len(labels) > 3
        and address.segments(
            "Order of the labels",
            (IN_ORDER, IN_BLOCKS),
            "order",
            help="Labels that are often taken for each other can stand together, so that groups of them show as blocks "
            "(hierarchical clustering with optimal leaf order).",
        )
        == IN_BLOCKS
    )
    cells = views.confusion(*confusion.ordered(scores, labels, in_blocks))
    chosen = address.chosen("true", labels), address.chosen("decided", labels)
    st.altair_chart(
        matrix.chart(confusion.written(cells, how), chosen),
        width="stretch",
        key="matrix",
        on_select=_take_click,
        alt="Confusion matrix: click a cell, or the name of a row or a column, to list its examples",
    )
    ui.offer(lambda: cells, "confusion")


def listed(evaluation: Evaluation, name: str) -> None:
    """The chosen examples, those first that the model was surest of; at first its most confident mistakes."""
    choice = _choice(evaluation)
    chosen = examples.rows(evaluation, choice)
    st.caption(choice.words(len(chosen)))
    if not len(chosen):
        return
    texts = ui.load_texts(name, evaluation.split.name)
    above, pages = st.container(), examples.pages(len(chosen))
    number = address.page(pages, *PAGE) if pages > 1 else 1
    with above:
        for row in views.records(examples.table(evaluation, examples.page(chosen, number), texts)):
            _example(row)
    ui.offer(lambda: examples.table(evaluation, chosen, texts), f"examples-{evaluation.split.name}")


def _choice(evaluation: Evaluation) -> Choice:
    left, right = st.columns(2)
    labels = evaluation.labels
    true = address.select("True label", labels, "true", clears=PAGE, where=left, placeholder="Any")
    decided = address.select("Decided label", labels, "decided", clears=PAGE, where=right, placeholder="Any")
    left, right = st.columns(2, vertical_alignment="bottom")
    among = address.select(
        "Slice",
        list(evaluation.slices),
        "slice",
        clears=PAGE,
        where=left,
        placeholder="All examples",
        help="A group of examples that have something in common. Which of them the model finds hard is told under "
        "Slices.",
    )
    mistakes = address.toggle(
        "Only mistakes",
        "mistakes",
        clears=PAGE,
        where=right,
        disabled=bool(true and decided),
        help="Where one cell of the matrix is chosen, all of it is listed.",
    )
    return Choice(true, decided, among, mistakes)


def _example(row: Mapping[str, Any]) -> None:
    with st.container(border=True):
        st.markdown(wording.example_text(row))
        line = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
        line.caption(examples.caption(row))
        if isinstance(row.get("text"), str) and line.button(
            "Open in Classify", key=f"open-{row['id']}", type="tertiary", icon=":material/open_in_new:"
        ):
            st.session_state["text"] = row["text"]
            st.session_state["pair"] = row.get("text_pair") or ""
            st.switch_page("pages/Classify.py")


def _take_click() -> None:
    """Take a click on the matrix over into the two boxes that the examples follow."""
    if cell := views.clicked(st.session_state["matrix"]):
        true, decided = cell
        address.put(true=true, decided=decided, **dict.fromkeys((LOOK, *PAGE)))
