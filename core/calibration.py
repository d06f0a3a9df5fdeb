"""Confidence that means what it says: logits are divided by a temperature that was fitted on the validation split.

It moves no decision. C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from core.errors import RunError
from core.metrics import calibration_error
from core.predictions import BLOCK, Predictions
from core.runs import Record

HOTTEST = 100.0
"""Temperatures are sought between its inverse and it: a model that is never wrong has none that is best."""


def fit(validation: Predictions) -> float:
    """The temperature at which the examples' true labels are most likely."""
    from scipy.optimize import brentq  # slow to import, and a page may do without
    from scipy.special import softmax

    logits = validation.logits.astype(np.float64)
    true = logits[np.arange(len(logits)), validation.label]

    def slope(inverse: float) -> float:
        """Of the loss by the inverse temperature, in which it is convex."""
        return float(((softmax(logits * inverse, axis=1) * logits).sum(axis=1) - true).mean())

    coldest, hottest = HOTTEST, 1 / HOTTEST
    if slope(coldest) <= 0 or slope(hottest) >= 0:
        return 1 / (coldest if slope(coldest) <= 0 else hottest)
    return 1 / float(brentq(slope, hottest, coldest, xtol=1e-15))


def of_record(record: Record) -> float:
    """The record's temperature: as stored in metrics.json, or fitted anew where that is from before it was stored.

    Raises RunError when the validation predictions, which it would be fitted on, are missing or damaged, and when what
    is stored is no temperature.
    """
    stored = record.metrics.get("temperature")
    found = fit(record.predictions("validation")) if stored is None else float(stored)
    if not 0 < found < np.inf:
        raise RunError(f"metrics.json is damaged: {found} is no temperature.")
    return found


def probabilities(logits: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """(n, k) calibrated probabilities of (n, k) logits."""
    from scipy.special import softmax

    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1))


def confidence(found: Predictions, temperature: float, decisions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(n,) calibrated probability of each decided label (n,)."""
    sure = np.empty(len(found))
    for start in range(0, len(found), BLOCK):
        rows = slice(start, start + BLOCK)
        likely = probabilities(found.logits[rows], temperature)
        sure[rows] = likely[np.arange(len(likely)), decisions[rows]]
    return sure


def at(found: Predictions, temperature: float) -> Predictions:
    """The predictions with calibrated logits."""
    return found if temperature == 1 else replace(found, logits=found.logits / temperature)


def error(found: Predictions, temperature: float = 1.0) -> float:
    """The expected calibration error at a temperature; at 1 it is the model's own."""
    calibrated = at(found, temperature)
    return calibration_error(calibrated.confidence, calibrated.decisions == calibrated.label)
