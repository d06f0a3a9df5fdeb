"""Labels that hold the true one as often as the reader asks for, by split conformal prediction.

A label is named where it is no less likely than all but the allowed share of the true labels of validation were. The
likeliest label is always named, so that a set is never empty; that can only add coverage. The promise is on average
over texts like those of validation, and as good as validation is unseen: training chose its checkpoint by it.

V. Vovk et al., Algorithmic Learning in a Random World, 2005, chapter 2; the score (one minus the true label's
probability) is that of M. Sadinle et al., Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA 2019.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core import calibration, metrics
from core.predictions import Predictions
from core.runs import Record


@dataclass(frozen=True)
class Coverage:
    """What sets of labels were worth on n examples."""

    asked: float
    """share of the sets that are to hold the true label"""
    found: float
    """share of them that did"""
    low: float
    high: float
    """its 95% interval (Wilson's)"""
    plain: float
    """the share of before the likeliest label was added to all sets"""
    sure: float
    """share of the sets with one label"""
    right: float | None
    """of these, the share that is right; None without any"""


def least(validation: Predictions, temperature: float, coverage: float) -> float:
    """How likely a label must be to be named, for a share `coverage` (0 to 1) of the sets to hold the true one."""
    n = len(validation)
    rank = math.ceil((n + 1) * coverage)  # counted from the likeliest true label
    if rank > n:
        return 0.0  # so few examples promise nothing less than all labels
    true = calibration.probabilities(validation.logits, temperature)[np.arange(n), validation.label]
    return float(np.sort(true)[n - rank])


def of_record(record: Record, coverage: float) -> float:
    """How likely a label must be by a record's own validation split. Raises RunError when that is not there."""
    return least(record.predictions("validation"), calibration.of_record(record), coverage)


def named(probabilities: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """(n, k) whether each label is named, from (n, k) calibrated probabilities."""
    top = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)]
    return np.asarray((probabilities >= least) | top)


def measure(validation: Predictions, test: Predictions, coverage: float) -> Coverage:
    """What sets that validation promises are worth on test."""
    temperature = calibration.fit(validation)
    limit = least(validation, temperature, coverage)
    found = calibration.probabilities(test.logits, temperature)
    sets, rows = named(found, limit), np.arange(len(test))
    held, one = sets[rows, test.label], sets.sum(axis=1) == 1
    low, high = metrics.wilson(int(held.sum()), len(test))
    return Coverage(
        asked=coverage,
        found=float(held.mean()),
        low=low,
        high=high,
        plain=float((found[rows, test.label] >= limit).mean()),
        sure=float(one.mean()),
        right=float(held[one].mean()) if one.any() else None,
    )
