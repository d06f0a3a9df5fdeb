"""Evaluation: where is the model right, and where is it wrong?"""

import streamlit as st

from core import closer_look, mistakes, ui
from core.evaluation import Evaluation
from core.threshold import USUAL

ui.start("Evaluation", "How often is the model right, and where is it wrong?")


def choose_split() -> str:
    """The examples that are looked at."""
    splits = ["test", "validation"]
    chosen: str = st.segmented_control(
        "Split",
        splits,
        default="test",
        required=True,
        key="split",
        bind="query-params",
        on_change=mistakes.first_page,
        help="Test was read once, after training. By validation a checkpoint was chosen, which flatters its scores.",
    )
    return chosen


def choose_threshold(labels: tuple[str, ...]) -> float:
    """From which probability on the second of two labels is decided."""
    if len(labels) != 2:
        return USUAL
    return st.slider(
        f"Decide “{labels[1]}” from this probability on",
        min_value=0.01,
        max_value=0.99,
        value=USUAL,
        step=0.01,
        key="threshold",
        bind="query-params",
        on_change=mistakes.first_page,
        help="The decision threshold, on calibrated probabilities. Everything below follows it. At 0.5 the likelier "
        "label is decided: that is what is published. Which is best is told under Threshold, below.",
    )


with ui.errors():
    model = ui.pick()
    if model:
        labels = model.record.labels
        split, at = choose_split(), choose_threshold(labels)
        scores = ui.scores_at(model.name, split, at)
        mistakes.cards(model.record, split, scores, at)
        mistakes.confusions(labels, scores)
        evaluation = Evaluation(model.record, split, ui.load_predictions(model.name, split), at)
        closer_look.look(evaluation, scores, model.name)
