"""How far a model's confidence can be trusted, as its record shows it: calibration, and sets that hold the true label.

The temperature and the limits come from the validation split; what they are worth is measured on the test split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core import calibration, conformal
from core.conformal import Coverage
from core.runs import Record
from core.wording import as_markdown, figure

COVERAGES = (0.8, 0.9, 0.95)
"""What a reader can ask for."""
USUAL = 0.9
HEADLINE = 3
"""Labels that a headline names one by one; the bars show all."""
NOT_CALIBRATED = (
    "These are the model's own probabilities. They are not calibrated, and nothing says when it is not sure: there is "
    "no evaluation by Verdict that can be read."
)


@dataclass(frozen=True)
class Confidence:
    """What a record says of its model's confidence."""

    temperature: float
    before: float
    """expected calibration error on test, at temperature 1"""
    after: float
    """the same at the record's temperature"""
    least: Mapping[float, float]
    """by coverage, how likely a label must be to be named"""
    found: Mapping[float, Coverage]
    """by coverage, what sets of labels were worth on test"""


def of_record(record: Record) -> Confidence:
    """Raises RunError when its predictions of validation or test are missing or damaged."""
    temperature = calibration.of_record(record)
    validation, test = record.predictions("validation"), record.predictions("test")
    return Confidence(
        temperature=temperature,
        before=calibration.error(test),
        after=calibration.error(test, temperature),
        least={share: conformal.least(validation, temperature, share) for share in COVERAGES},
        found={share: conformal.measure(validation, test, share) for share in COVERAGES},
    )


def named(
    probabilities: npt.NDArray[np.float64], labels: Sequence[str], confidence: Confidence | None, coverage: float
) -> list[str]:
    """The labels that an answer must name at a coverage, likeliest first; without a record the likeliest alone."""
    least = 1.0 if confidence is None else confidence.least[coverage]
    likely = conformal.named(probabilities[None], least)[0]
    return [labels[index] for index in np.argsort(-probabilities, kind="stable") if likely[index]]


def answer(named: Sequence[str]) -> str:
    """The named labels as a headline, in Markdown: the one, or that the model is not sure."""
    shown = [as_markdown(name) for name in named[:HEADLINE]]
    if (more := len(named) - HEADLINE) > 0:
        shown.append(f"{more} other{'s' if more > 1 else ''}")
    if len(shown) == 1:
        return shown[0]
    return f"Not sure: {', '.join(shown[:-1])} or {shown[-1]}"


def meaning(n_named: int, coverage: float) -> str:
    """What the headline means."""
    asked = asked_for(coverage)
    if n_named > 1:
        return (
            f"For answers to hold the true label of {asked} of all texts, this one must name {n_named}, those of the "
            f"first {n_named} bars: none of them is unlikely enough to be left out. (Split conformal prediction.)"
        )
    return (
        "All other labels are so unlikely that they can be left out, and still answers hold the true label of "
        f"{asked} of all texts. (Split conformal prediction.)"
    )


def calibrated(found: Confidence) -> str:
    """What was done to the confidence, and what it is worth."""
    return (
        "Confidence is calibrated on the validation split: logits are divided by a temperature of "
        f"{figure(found.temperature)}. On the test split, confidence and accuracy are {figure(found.before)} apart "
        f"before that, and {figure(found.after)} after it (expected calibration error)."
    )


def promised(found: Coverage) -> str:
    """What the chosen coverage promises, and what became of the promise on the test split."""
    held = f"{found.found:.1%} (95% interval {found.low:.1%} to {found.high:.1%})"
    right = "" if found.right is None else f", of which {found.right:.1%} were right"
    return (
        "The promise is kept on average, for texts like those of the validation split: not for each text, and not for "
        f"texts of another kind. Of the answers on the test split, {asked_for(found.asked)} were to hold the true "
        f"label, and {held} did; {found.sure:.1%} named one label alone{right}."
    )


def asked_for(coverage: float) -> str:
    """`90%`."""
    return f"{coverage:.0%}"
