"""What the Evaluation page opens on, as Streamlit draws it: its cards, its matrix, and the examples that are wrong.

Every choice is a widget whose key is its name in the URL, so that a view can be shared by its link.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core import confusion, examples, matrix, ui, views, wording
from core.evaluation import Evaluation
from core.examples import Choice
from core.runs import Record
from core.threshold import USUAL

LOOK, EXAMPLES = "look", "Examples"
"""Key of the tabs below the matrix, and the name of the first."""
IN_ORDER, IN_BLOCKS = "As given", "Similar together"


def cards(record: Record, split: str, scores: Mapping[str, Any], at: float) -> None:
    """The main figures as cards beside the baselines, all of them in a table."""
    table = views.scores(scores, record.data["baselines"])
    for column, row in zip(st.columns(len(views.HEADLINE)), views.headline(table), strict=True):
        column.metric(row["title"], wording.figure(row["value"]), help=row["meaning"], border=True)
        column.caption(wording.beside(row))
    if at != USUAL:
        st.caption(
            f"Decided at a threshold of {at}; the published scores are at {USUAL}. ROC-AUC, loss and calibration do "
            "not depend on it."
        )
    elif split == "test" and (leaks := wording.leaks(record.metrics["splits"])):
        st.caption(leaks)
    with st.expander("All metrics, with intervals"):
        st.dataframe(views.scores_shown(table), hide_index=True, width="stretch", height="content")
        ui.offer(table, f"scores-{split}")


def confusions(labels: tuple[str, ...], scores: dict[str, Any]) -> None:
    """The matrix; a click on a cell or a name chooses what the examples are of."""
    st.header("Which labels are taken for which", anchor=False)
    how = st.segmented_control(
        "Show",
        confusion.WRITTEN,
        default="Counts",
        required=True,
        key="cells",
        bind="query-params",
        help="Shares of the true label are its recall (row-normalised); of the decided label, its precision "
        "(column-normalised).",
    )
    order = IN_ORDER
    if len(labels) > 3:
        order = st.segmented_control(
            "Order of the labels",
            [IN_ORDER, IN_BLOCKS],
            default=IN_ORDER,
            required=True,
            key="order",
            bind="query-params",
            help="Labels that are often taken for each other can stand together, so that groups of them show as "
            "blocks (hierarchical clustering with optimal leaf order).",
        )
    cells = views.confusion(*confusion.ordered(scores, labels, order == IN_BLOCKS))
    chosen = _known("true", labels), _known("decided", labels)
    st.altair_chart(
        matrix.chart(confusion.written(cells, how), chosen),
        width="stretch",
        key="matrix",
        on_select=_take_click,
        alt="Confusion matrix: click a cell, or the name of a row or a column, to list its examples",
    )
    ui.offer(cells, "confusion")


def listed(evaluation: Evaluation, name: str) -> None:
    """The chosen examples, those first that the model was surest of; at first its most confident mistakes."""
    choice = _choice(evaluation)
    chosen = examples.rows(evaluation, choice)
    st.caption(choice.words(len(chosen)))
    if not len(chosen):
        return
    texts = ui.load_texts(name, evaluation.split)
    above, pages = st.container(), examples.pages(len(chosen))
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    with above:
        for row in views.records(examples.table(evaluation, examples.page(chosen, number), texts)):
            _example(row)
    ui.offer(examples.table(evaluation, chosen, texts), f"examples-{evaluation.split}")


def _choice(evaluation: Evaluation) -> Choice:
    left, right = st.columns(2)
    labels = evaluation.labels
    true = left.selectbox(
        "True label", labels, index=None, placeholder="Any", key="true", bind="query-params", on_change=first_page
    )
    decided = right.selectbox(
        "Decided label", labels, index=None, placeholder="Any", key="decided", bind="query-params", on_change=first_page
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    among = left.selectbox(
        "Slice",
        list(evaluation.slices),
        index=None,
        placeholder="All examples",
        key="slice",
        bind="query-params",
        on_change=first_page,
        help="A group of examples that have something in common; which of them the model finds hard is under Slices, "
        "below.",
    )
    mistakes = right.toggle(
        "Only mistakes",
        value=True,
        key="mistakes",
        bind="query-params",
        on_change=first_page,
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


def first_page() -> None:
    """Another list of examples is read from its beginning."""
    if "page" in st.session_state:
        st.session_state["page"] = 1


def show_examples() -> None:
    """Other examples were chosen elsewhere on the page: open their tab, at its beginning."""
    st.session_state[LOOK] = EXAMPLES
    first_page()


def _take_click() -> None:
    """Take a click on the matrix over into the two boxes that the examples follow, and so into the URL."""
    if cell := views.clicked(st.session_state["matrix"]):
        st.session_state["true"], st.session_state["decided"] = cell
        show_examples()


def _known(key: str, labels: tuple[str, ...]) -> str | None:
    """A label that a box further down holds, or the link that the page was opened by."""
    value = st.session_state.get(key, st.query_params.get(key))
    return value if value in labels else None
