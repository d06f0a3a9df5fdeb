"""Two labels, decided at another threshold: the second from which probability on.

Probabilities are calibrated (calibration.py). At 0.5 the decisions are the model's own, and those that scores are
published of. A threshold is chosen on validation, never on the split that it is then judged by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import metrics
from core.metrics import METRICS, Counts, Outcome
from core.predictions import Predictions

USUAL: Final = 0.5
GRID: Final = np.arange(1, 100) / 100
"""The thresholds to choose from."""
AIMS: Final = ("f1_positive", "accuracy")
"""Metrics that a best threshold is named for."""
POINTS: Final = 400
"""A curve of more points than this is no clearer for them."""


@dataclass(frozen=True)
class Best:
    """The threshold at which a metric is highest on some examples, nearest to the usual one among equals."""

    metric: str
    threshold: float
    value: float
    usual: float
    """the metric at the usual threshold"""


def decide(found: Predictions, temperature: float, threshold: float) -> npt.NDArray[np.int64]:
    """(n,) decided labels; of other than two labels the likeliest, whatever the threshold."""
    from scipy.special import logit  # slow to import, and a page may do without

    if found.logits.shape[1] != 2:
        return found.decisions
    return np.asarray(_margin(found) / temperature > logit(threshold), dtype=np.int64)


def summary(
    found: Predictions, decisions: npt.NDArray[np.int64], labels: Sequence[str], published: Mapping[str, Any]
) -> dict[str, Any]:
    """A split's entry as in metrics.json with all that follows from decisions made anew; the rest is as published.

    What follows from probabilities alone (area, loss, calibration) no threshold moves.
    """
    return {**published, **metrics.summary(Outcome(found.label, decisions, None, len(labels)), labels)}


def best(validation: Predictions, temperature: float) -> list[Best]:
    """The best threshold for each of AIMS."""
    outcomes = [Counts(cells) for cells in _at_all(validation, temperature)]
    nearest = np.argsort(np.abs(GRID - USUAL), kind="stable")
    found = []
    for name in AIMS:
        values = np.array([METRICS[name].compute(outcome) for outcome in outcomes])
        place = nearest[values[nearest].argmax()]  # the first of equals
        found.append(Best(name, float(GRID[place]), float(values[place]), float(values[nearest[0]])))
    return found


def roc(found: Predictions) -> pd.DataFrame:
    """The ROC curve, columns x and y: share of the second label's examples found, by the first's taken for it."""
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(found.label == 1, _margin(found))
    return _thinned(false, true)


def precision_recall(found: Predictions) -> pd.DataFrame:
    """Columns x and y: share of the decisions for the second label that are right, by share of its examples found."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(found.label == 1, _margin(found), drop_intermediate=True)
    return _thinned(recall, precision)


def on_roc(cells: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Where decisions with this confusion matrix (2, 2) are on the ROC curve."""
    false, true = cells[:, 1] / cells.sum(axis=1)
    return float(false), float(true)


def on_precision_recall(cells: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The same on the other curve. With no decision for the second label none is wrong: the curve begins there, too."""
    right, decided = int(cells[1, 1]), int(cells[:, 1].sum())
    return right / int(cells[1].sum()), right / decided if decided else 1.0


def can_be_drawn(found: Predictions) -> bool:
    """Whether both labels have examples: without, there are no curves."""
    return found.logits.shape[1] == 2 and int((np.bincount(found.label) > 0).sum()) == 2


def _at_all(found: Predictions, temperature: float) -> npt.NDArray[np.int64]:
    """(m, 2, 2) confusion matrices, one for each of the m thresholds in GRID, in one pass over the examples."""
    from scipy.special import logit

    passed = np.searchsorted(logit(GRID), _margin(found) / temperature)  # how many thresholds decide for the second
    m = len(GRID)
    counts = np.bincount(found.label * (m + 1) + passed, minlength=2 * (m + 1)).reshape(2, m + 1)
    first = counts.cumsum(axis=1)[:, :-1]
    return np.stack([first, counts.sum(axis=1, keepdims=True) - first], axis=2).transpose(1, 0, 2)


def _margin(found: Predictions) -> npt.NDArray[np.float64]:
    """(n,) by how much the second label's logit is higher: in the order of its probability, but never rounded to 1."""
    logits = found.logits.astype(np.float64)
    return np.asarray(logits[:, 1] - logits[:, 0])


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> pd.DataFrame:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int))
    return pd.DataFrame({"x": x[kept], "y": y[kept]})
