"""Evaluation: where is the model right, and where is it wrong?"""

from core import address, closer_look, mistakes, ui, wording
from core.threshold import USUAL

ui.start("Evaluation", "How often is the model right, and where is it wrong?")


def choose_split() -> str:
    """The examples that are looked at."""
    return address.segments(
        "Split",
        ("test", "validation"),
        "split",
        clears=mistakes.PAGE,
        help="Test was read once, after training. By validation a checkpoint was chosen, which flatters its scores.",
    )


def choose_threshold(labels: tuple[str, ...]) -> float:
    """From which probability on the second of two labels is decided."""
    if len(labels) != 2:
        return USUAL
    return address.share(
        f"Decide “{wording.as_line(labels[1])}” from this probability on",
        "threshold",
        USUAL,
        clears=mistakes.PAGE,
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
        closer_look.look(ui.load_evaluation(model.name, split, at), scores, model.name)
