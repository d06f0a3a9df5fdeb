"""Coverage against risk: how right would the model be, did it answer only where it is surest?

Y. Geifman and R. El-Yaniv, Selective Classification for Deep Neural Networks, NIPS 2017.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

POINTS = 300
"""A curve of more points than this is no clearer for them."""


@dataclass(frozen=True)
class Selective:
    """What answering only the surest examples would give."""

    points: pd.DataFrame
    """`coverage`, the share that is answered, and `accuracy`, the share of these that is right"""
    area: float
    """under the curve of risk (one minus accuracy) over coverage: the mean risk; lower is better"""
    by_chance: float
    """the same where those that are answered are drawn at random: the risk of answering all"""
    at_best: float
    """the same where every right answer comes before every wrong one"""

    def accuracy(self, coverage: float) -> float:
        """Share of right answers among the surest `coverage` (0 to 1)."""
        return float(np.interp(coverage, self.points["coverage"], self.points["accuracy"]))


def measure(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Selective:
    """From (n,) confidences and (n,) whether the answer is right. Of equal confidences none comes first."""
    n, wrong = len(right), 1.0 - right
    order = np.argsort(-confidence)
    starts = np.flatnonzero(np.diff(confidence[order], prepend=np.inf))  # of runs of equal confidences
    sizes = np.diff(starts, append=n)
    risk = _risk(np.repeat(np.add.reduceat(wrong[order], starts) / sizes, sizes))
    coverage = np.arange(1, n + 1) / n
    kept = np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))
    points = pd.DataFrame({"coverage": coverage[kept], "accuracy": 1 - risk[kept]})
    return Selective(points, float(risk.mean()), float(wrong.mean()), float(_risk(np.sort(wrong)).mean()))


def _risk(wrong: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n,) share of wrong ones among the first, the first two, …"""
    return np.asarray(wrong.cumsum() / np.arange(1, len(wrong) + 1))
