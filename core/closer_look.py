"""What the Evaluation page shows a tab each: the examples, and one step away labels, slices, confidence and more.

Only the tab that is open is computed; its name is in the URL.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core import address, charts, dots, selective, slices, threshold, tradeoffs, ui, views
from core.evaluation import Evaluation
from core.metrics import METRICS
from core.mistakes import LOOK, PAGE, listed
from core.predictions import Predictions
from core.wording import figure, percent

NARROW = 270
"""Points; with its axis such a chart fits on a phone, and two of them beside each other on other screens."""


def look(evaluation: Evaluation, scores: Mapping[str, Any], name: str) -> None:
    """All of it, the examples first."""
    sections: dict[str, Callable[[], None]] = {
        "Examples": lambda: listed(evaluation, name),
        "By label": lambda: by_label(scores),
        "Slices": lambda: by_slice(evaluation),
        "Confidence": lambda: confidence(evaluation, name),
        "Coverage": lambda: coverage(evaluation),
    }
    if threshold.can_be_drawn(evaluation.found):
        sections["Threshold"] = lambda: at_threshold(evaluation, name)
    for tab, draw in zip(address.tabs(list(sections), LOOK), sections.values(), strict=True):
        if tab.open:
            with tab:
                draw()


def by_label(scores: Mapping[str, Any]) -> None:
    """Precision, recall and F1 of each label."""
    bars = views.class_scores(scores)
    metric = address.segments(
        "Metric",
        ("F1", "Precision", "Recall"),
        "metric",
        help="Precision: share of the decisions for a label that are right. Recall: share of its examples that are "
        "found. F1: their harmonic mean.",
    )
    st.altair_chart(
        charts.metric_bars(bars, metric),
        width="stretch",
        alt=f"Bars of each label's {metric}; the table has the figures",
    )
    st.dataframe(views.per_class(scores), hide_index=True, width="stretch", height="content")
    ui.offer(lambda: views.class_table(scores), "labels")


def by_slice(evaluation: Evaluation) -> None:
    """How right the model is on groups of examples, the worst first; a click lists a group's examples."""
    found = slices.table(evaluation.slices, evaluation.right)
    if found.empty:
        st.info("All examples are alike in everything that is known of them.", icon=":material/info:")
        return
    st.caption(
        "Accuracy on groups of examples with its 95% interval, the worst first by what can be said at best; the dashed "
        f"line is the accuracy on all. Hollow dots have fewer than {slices.FEW} examples and say little. With so many "
        "groups some look bad by chance."
    )
    st.altair_chart(
        dots.chart(found, float(evaluation.right.mean()), address.chosen("slice", list(evaluation.slices))),
        width="stretch",
        key="slices",
        on_select=_take_slice,
        alt="Accuracy of slices with intervals; click one to list its examples. The table below has the figures",
    )
    if len(found) > dots.SHOWN:
        st.caption(f"The {dots.SHOWN} worst of {len(found):,} slices are drawn; the table has all.")
    st.dataframe(slices.shown(found), hide_index=True, width="stretch")
    ui.offer(lambda: found, f"slices-{evaluation.split.name}")


def confidence(evaluation: Evaluation, name: str) -> None:
    """Whether confidence means what it says, before and after calibration."""
    temperature = evaluation.split.temperature
    sides = ui.load_reliabilities(name, evaluation.split.name)
    (_, before), (_, after) = sides
    st.markdown(
        f"The mean gap between confidence and accuracy is **{figure(before)}** as the model answers, and "
        f"**{figure(after)}** after calibration, which is what the pages show.",
        help="The expected calibration error, in 15 bins of equal width. Calibration divides the logits by a "
        f"temperature that was fitted on validation, {figure(temperature)}.",
    )
    for title, side, column in zip(("Before calibration", "After calibration"), sides, st.columns(2), strict=True):
        with column:
            _reliability(title, *side)


def _reliability(title: str, bins: pd.DataFrame, error: float) -> None:
    st.markdown(f"**{title}**")
    st.altair_chart(
        charts.reliability(bins, error, width=NARROW),
        width="content",
        key=title,
        alt=f"Reliability diagram, {title.lower()}: accuracy against confidence, and the number of examples",
    )
    ui.offer(lambda: bins, title.lower().replace(" ", "-"))


def coverage(evaluation: Evaluation) -> None:
    """How right the model would be, did it answer only where it is surest."""
    found = selective.measure(evaluation.confidence, evaluation.right)
    shares = ", ".join(f"{percent(found.accuracy(share))} of the surest {share:.0%}" for share in (0.5, 0.8, 0.9))
    st.markdown(f"The model is right on {shares}, and on {percent(float(evaluation.right.mean()))} of all.")
    st.altair_chart(
        tradeoffs.coverage(found.points),
        width="stretch",
        alt="Accuracy of the surest share of the answers, by that share",
    )
    st.caption(
        f"Area under the curve of risk (one minus accuracy) over coverage: {figure(found.area)}. It would be "
        f"{figure(found.by_chance)} if confidence said nothing, and {figure(found.at_best)} if every mistake were less "
        "sure than every right answer."
    )
    ui.offer(lambda: found.points, "coverage")


def at_threshold(evaluation: Evaluation, name: str) -> None:
    """What every threshold would give, and which one is best on validation."""
    validation = ui.load_split(name, "validation").found
    if threshold.can_be_drawn(validation):
        _best(validation, evaluation)
    cells, (roc, precision_recall) = evaluation.cells, ui.load_curves(name, evaluation.split.name)
    share = float(cells[1].sum() / cells.sum())
    for title, chart in (
        ("ROC curve", tradeoffs.roc(roc, threshold.on_roc(cells))),
        (
            "Precision and recall",
            tradeoffs.precision_recall(precision_recall, threshold.on_precision_recall(cells), share),
        ),
    ):
        st.markdown(f"**{title}**")
        st.altair_chart(chart, width="stretch", key=title, alt=f"{title}; the dot is the chosen threshold")
    st.caption(
        "The dot is the chosen threshold, the dashed line what guessing would give. Choose by validation: a threshold "
        "that was chosen on test flatters its scores there."
    )


def _best(validation: Predictions, evaluation: Evaluation) -> None:
    """The best thresholds, each with a button: chosen on validation, whichever split is looked at."""
    for best in threshold.best(validation, evaluation.split.temperature):
        title = METRICS[best.metric].title
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.markdown(
            f"**{title}** is highest on validation at a threshold of **{best.threshold}**: {figure(best.value)}, "
            f"against {figure(best.usual)} at {threshold.USUAL}."
        )
        right.button(
            f"Use {best.threshold}",
            key=f"use-{best.metric}",
            on_click=_use,
            args=(best.threshold,),
            disabled=best.threshold == evaluation.threshold,
        )


def _use(at: float) -> None:
    address.put(threshold=at, **dict.fromkeys(PAGE))


def _take_slice() -> None:
    """Take a click on the slices over into the box that the examples follow."""
    if picked := st.session_state["slices"].get("selection", {}).get(dots.SLICE):
        address.put(slice=picked[0]["slice"], **dict.fromkeys((LOOK, *PAGE)))
