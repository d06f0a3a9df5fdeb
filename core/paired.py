"""Two models' predictions of the same examples -> what tells them apart. Pure.

Accuracy is compared by the exact McNemar test, every figure by a paired bootstrap: both sides are computed from the
same resamples, and the middle 95% of their differences is the interval (B. Efron and R. Tibshirani, An Introduction to
the Bootstrap, 1993, chapters 8 and 13). Flips are counted as M. Milani Fard et al. do (Launch and Iterate: Reducing
Prediction Churn, NeurIPS 2016): those that were won, those that were lost, and all of them, the churn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core import metrics
from core.metrics import METRICS, Interval, Outcome
from core.predictions import Predictions

ALPHA: Final = 0.05
POWER: Final = 0.8
KEPT: Final = 1000
"""Flipped examples that a comparison names, those first of which both sides are the surest."""


@dataclass(frozen=True)
class Difference:
    """A metric of both sides; `difference` is second minus first, with its 95% interval where there is one."""

    metric: str
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None

    @property
    def better(self) -> str:
        """`first` or `second` where the interval leaves 0 out, and nothing where it does not."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return ""
        return "second" if (self.low > 0) == METRICS[self.metric].higher_is_better else "first"


@dataclass(frozen=True)
class Flips:
    """How many examples with the label `true` the first decides for one label and the second for another."""

    true: str
    first: str
    second: str
    n: int


@dataclass(frozen=True)
class Flipped:
    """An example that the two decide differently, and how sure each is of its own decision (0 to 1)."""

    id: str
    true: str
    first: str
    second: str
    first_confidence: float
    second_confidence: float


@dataclass(frozen=True)
class Paired:
    """What tells two sides apart; n = both + lost + won + neither."""

    n: int
    """examples compared"""
    both: int
    """that both decide right"""
    lost: int
    """right with the first, wrong with the second"""
    won: int
    """wrong with the first, right with the second"""
    neither: int
    """that both decide wrong, alike or not"""
    flips: int
    """decided differently: lost, won, and from one wrong label to another"""
    flipped: tuple[Flips, ...]
    """the flips by direction, in the order of the labels: the confusion matrix of the difference"""
    flipped_examples: tuple[Flipped, ...]
    """KEPT of them at most"""
    max_probability_change: float
    p_value: float
    """exact McNemar test, two-sided"""
    smallest_gap: float | None
    """least difference in accuracy that so many examples can show at 5%"""
    likely_gap: float | None
    """the difference in accuracy that they show at 5% with a power of 80%"""
    metrics: tuple[Difference, ...]
    """those that exist, in the order of METRICS"""

    @property
    def churn(self) -> float:
        """Share of the examples that are decided differently."""
        return self.flips / self.n

    def of(self, metric: str) -> Difference:
        """The difference of one metric. Raises StopIteration where it does not exist; accuracy always does."""
        return next(each for each in self.metrics if each.metric == metric)


def compare(first: Predictions, second: Predictions, labels: Sequence[str]) -> Paired:
    """Compare what two models predict of the same examples in the same order, as `predictions.shared` gives them.

    `labels` are the names of both sides' labels in index order; of two, figures of the positive are those of the last.
    """
    right, right_too = first.decisions == first.label, second.decisions == first.label
    n = len(first)
    return Paired(
        n=n,
        both=int((right & right_too).sum()),
        lost=int((right & ~right_too).sum()),
        won=int((~right & right_too).sum()),
        neither=int((~right & ~right_too).sum()),
        flips=int((first.decisions != second.decisions).sum()),
        flipped=_flipped(first, second, labels),
        flipped_examples=_flipped_examples(first, second, labels),
        max_probability_change=float(np.abs(first.probabilities - second.probabilities).max()),
        p_value=exact_mcnemar(right, right_too),
        smallest_gap=smallest_gap(n),
        likely_gap=likely_gap(n, float((right != right_too).mean())),
        metrics=_differences(*(Outcome.of_logits(each.logits, first.label) for each in (first, second))),
    )


def exact_mcnemar(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Two-sided p-value of the exact McNemar test; `one` and `other` (n,) say which examples each has right."""
    from statsmodels.stats.contingency_tables import mcnemar  # slow to import, and a page may do without

    table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
    if table[0][1] + table[1][0] == 0:
        return 1.0  # nothing to tell them apart; the library divides by it
    return float(mcnemar(table, exact=True).pvalue)


def smallest_gap(n: int) -> float | None:
    """Least difference in accuracy over n examples that an exact McNemar test can show; None if none can.

    It is reached when every flip goes the same way: m flips are significant once 2 * 0.5**m <= 5%.
    """
    from scipy.stats import binomtest

    flips = next((m for m in range(1, n + 1) if binomtest(m, m, 0.5).pvalue <= ALPHA), None)
    return None if flips is None else flips / n


def likely_gap(n: int, disagreement: float) -> float | None:
    """The difference in accuracy that n examples show at 5% with a power of 80%; None if no difference is so large.

    `disagreement` is the share of examples that only one of two has right: with it grows the variance of the
    difference (R. Connor, Biometrics 1987). It is no less than the difference itself. By the normal approximation.
    """
    from scipy.stats import norm

    effect = float(norm.isf(ALPHA / 2) + norm.ppf(POWER)) / n**0.5  # in standard deviations of one example's difference
    gap = max(effect * disagreement**0.5, effect**2)  # the second: all disagreements go one way
    return gap if gap <= 1 else None


def _flipped(first: Predictions, second: Predictions, labels: Sequence[str]) -> tuple[Flips, ...]:
    cells = np.stack([first.label, first.decisions, second.decisions], axis=1)
    cells, counts = np.unique(cells[cells[:, 1] != cells[:, 2]], axis=0, return_counts=True)
    return tuple(
        Flips(labels[true], labels[before], labels[after], int(n))
        for (true, before, after), n in zip(cells, counts, strict=True)
    )


def _flipped_examples(first: Predictions, second: Predictions, labels: Sequence[str]) -> tuple[Flipped, ...]:
    rows = np.flatnonzero(first.decisions != second.decisions)
    sure, sure_too = (each.probabilities.max(axis=1) for each in (first, second))
    rows = rows[np.argsort(-np.minimum(sure, sure_too)[rows], kind="stable")][:KEPT]
    return tuple(
        Flipped(
            id=str(first.id[row]),
            true=labels[first.label[row]],
            first=labels[first.decisions[row]],
            second=labels[second.decisions[row]],
            first_confidence=float(sure[row]),
            second_confidence=float(sure_too[row]),
        )
        for row in rows
    )


def _differences(one: Outcome, other: Outcome) -> tuple[Difference, ...]:
    ours, theirs = metrics.values(one), metrics.values(other)  # of the same names: labels alone decide what exists
    bounds = _intervals(one, other, [name for name in ours if METRICS[name].resampled or name == "accuracy"])
    return tuple(
        Difference(name, value, theirs[name], theirs[name] - value, *bounds.get(name, (None, None)))
        for name, value in ours.items()
    )


def _intervals(one: Outcome, other: Outcome, names: Sequence[str]) -> dict[str, Interval]:
    """Percentile intervals of second minus first, all from the same resamples; one example alone has none."""
    n = len(one.labels)
    if n < 2:
        return {}
    if np.array_equal(one.log_probabilities, other.log_probabilities):  # type: ignore[arg-type]  # made of logits
        return dict.fromkeys(names, (0.0, 0.0))  # the commonest case, and no resample tells the two apart
    rng = np.random.default_rng(metrics.SEED)
    drawn = (rng.integers(0, n, n) for _ in range(metrics.RESAMPLES))
    draws = [_gaps(one.resample(rows), other.resample(rows), names) for rows in drawn]
    return {name: metrics.percentiles(draw) for name, draw in zip(names, zip(*draws, strict=True), strict=True)}


def _gaps(one: Outcome, other: Outcome, names: Sequence[str]) -> list[float | None]:
    """Second minus first of each metric; None where a resample lacks what the figure needs."""
    pairs = [(METRICS[name].compute(one), METRICS[name].compute(other)) for name in names]
    return [None if before is None or after is None else after - before for before, after in pairs]
