"""Logits and labels -> metrics with 95% intervals.

A metric is one function below, marked `@metric`: it then appears in metrics.json, on the card and on the pages.
What follows from decisions is computed from their confusion matrix; areas come from scikit-learn. Accuracy's interval
is Wilson's (statsmodels), the others are those of a percentile bootstrap (B. Efron and R. Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 13). Bounds that do not exist are None.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

RESAMPLES: Final = 1000
BINS: Final = 15
SEED: Final = 20_240_229
MANY: Final = 50_000
"""Of more examples, decisions are resampled by drawing counts, not rows."""
WITHOUT_LEAKS: Final = "test_without_leaks"
"""Key in metrics.json of the test split's figures without the texts that stand in training or validation, too."""

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class Outcome:
    """What a metric is computed from: n examples, k labels."""

    labels: npt.NDArray[np.int64]
    """(n,) true labels"""
    decisions: npt.NDArray[np.int64]
    """(n,) decided labels"""
    log_probabilities: npt.NDArray[np.float64] | None
    """(n, k); None where only decisions are known, and metrics of probabilities do not exist"""
    n_labels: int

    @classmethod
    def of_logits(cls, logits: npt.ArrayLike, labels: npt.ArrayLike) -> "Outcome":
        """From (n, k) logits and (n,) labels."""
        from scipy.special import log_softmax  # slow to import, and a page may do without

        scores = np.asarray(logits, dtype=np.float64)
        return cls(np.asarray(labels, dtype=np.int64), scores.argmax(1), log_softmax(scores, axis=1), scores.shape[1])

    @cached_property
    def cells(self) -> npt.NDArray[np.int64]:
        """(k, k) counts, the confusion matrix: true labels in rows, decided ones in columns."""
        k = self.n_labels
        return np.bincount(self.codes, minlength=k * k).reshape(k, k)

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """(n,) place of each example's cell, counted row by row."""
        return np.asarray(self.labels * self.n_labels + self.decisions)

    @cached_property
    def per_class(self) -> npt.NDArray[np.float64]:
        """(4, k): precision, recall, F1 and support of each label; 0 where a ratio has no denominator."""
        hits, true, decided = self.cells.diagonal(), self.cells.sum(axis=1), self.cells.sum(axis=0)
        shares = [hits / np.maximum(decided, 1), hits / np.maximum(true, 1), 2 * hits / np.maximum(true + decided, 1)]
        return np.array([*shares, true])

    @cached_property
    def true_logs(self) -> npt.NDArray[np.float64] | None:
        """(n,) log-probabilities of the true labels; None where only decisions are known."""
        logs = self.log_probabilities
        return None if logs is None else logs[np.arange(len(logs)), self.labels]

    def averaged(self, row: int, weighted: bool) -> float:
        """A row of `per_class` averaged over labels, evenly (macro) or by support (weighted)."""
        return float(np.average(self.per_class[row], weights=self.per_class[3] if weighted else None))

    @cached_property
    def area(self) -> float | None:
        """Area under the ROC curve of each label against the rest, their mean; None where a label has no example."""
        if self.log_probabilities is None or len(np.unique(self.labels)) < self.n_labels:
            return None
        from sklearn.metrics import roc_auc_score

        probabilities = np.exp(self.log_probabilities)
        if self.n_labels == 2:  # both labels have the same area
            return float(roc_auc_score(self.labels, probabilities[:, 1]))
        return float(roc_auc_score(np.eye(self.n_labels)[self.labels], probabilities, average="macro"))

    @cached_property
    def rankings(self) -> tuple["Ranking", ...]:
        """What `area` takes from the scores whatever is resampled: a ranking a label, of two the second's alone."""
        assert self.log_probabilities is not None
        probabilities = np.exp(self.log_probabilities)
        which = range(self.n_labels) if self.n_labels > 2 else [1]
        return tuple(Ranking(probabilities[:, label], self.labels == label) for label in which)

    def resample(self, rows: npt.NDArray[np.int64]) -> "Resample":
        """The outcome of some rows, repetitions allowed."""
        return Resample(self, rows)

    def resamples(self, times: int) -> Iterator["Outcome"]:
        """As many examples drawn with repetition, so many `times`; the same ones whenever it is asked.

        Of decisions alone only the counts matter, and these can be drawn themselves: they are multinomial. With more
        than MANY examples that is done, as drawing rows would take half a minute for a million.
        """
        rng, n = np.random.default_rng(SEED), len(self.labels)
        if self.log_probabilities is None and n > MANY:
            for counts in rng.multinomial(n, self.cells.ravel() / n, times):
                yield Counts(counts.reshape(self.cells.shape))
        else:
            for _ in range(times):
                yield self.resample(rng.integers(0, n, n))


class Counts(Outcome):
    """Decisions of which the confusion matrix (k, k) alone is known: in what order they came is of no matter."""

    def __init__(self, cells: npt.NDArray[np.int64]) -> None:
        vars(self).update(cells=cells, n_labels=len(cells), log_probabilities=None)  # frozen, and so not by assignment

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """(n,) in ascending order."""
        return np.repeat(np.arange(self.cells.size), self.cells.ravel())

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) true labels."""
        return np.asarray(self.codes // self.n_labels)

    @cached_property
    def decisions(self) -> npt.NDArray[np.int64]:
        """(n,) decided labels."""
        return np.asarray(self.codes % self.n_labels)


class Resample(Outcome):
    """Rows of an outcome, drawn with repetition; only what a figure asks for is taken of them."""

    def __init__(self, source: Outcome, rows: npt.NDArray[np.int64]) -> None:
        vars(self).update(source=source, rows=rows, n_labels=source.n_labels)

    source: Outcome
    rows: npt.NDArray[np.int64]
    """of `source`"""

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) true labels."""
        return self.source.labels[self.rows]

    @cached_property
    def decisions(self) -> npt.NDArray[np.int64]:
        """(n,) decided labels."""
        return self.source.decisions[self.rows]

    @cached_property
    def log_probabilities(self) -> npt.NDArray[np.float64] | None:
        """(n, k), if the source has them."""
        logs = self.source.log_probabilities
        return None if logs is None else logs[self.rows]

    @cached_property
    def codes(self) -> npt.NDArray[np.int64]:
        """(n,) place of each example's cell."""
        return self.source.codes[self.rows]

    @cached_property
    def true_logs(self) -> npt.NDArray[np.float64] | None:
        """(n,) log-probabilities of the true labels, if the source has them."""
        logs = self.source.true_logs
        return None if logs is None else logs[self.rows]

    @cached_property
    def area(self) -> float | None:
        """As an outcome's, from the ranking that all resamples share."""
        if self.source.log_probabilities is None:
            return None
        counts = np.bincount(self.rows, minlength=len(self.source.labels))
        areas = [ranking.area(counts) for ranking in self.source.rankings]
        return None if None in areas else float(np.mean(areas))  # type: ignore[arg-type]


class Ranking:
    """Examples in the order of their scores for a label, so that no resample sorts again."""

    def __init__(self, scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._starts = np.flatnonzero(np.diff(scores[self._order], prepend=-np.inf))  # of runs of equal scores
        self._positive = positive[self._order]

    def area(self, counts: npt.NDArray[np.int64]) -> float | None:
        """Share of pairs in the right order, ties counting half, where each example stands `counts` (n,) times.

        J. Hanley and B. McNeil, Radiology 1982. None without a positive or without a negative example.
        """
        drawn = counts[self._order]
        hits = np.add.reduceat(drawn * self._positive, self._starts)
        others = np.add.reduceat(drawn * ~self._positive, self._starts)
        pairs = hits.sum() * others.sum()
        return float(hits @ (others.cumsum() - others / 2) / pairs) if pairs else None


@dataclass(frozen=True)
class Metric:
    """A named figure and what it means."""

    name: str
    title: str
    meaning: str
    higher_is_better: bool
    resampled: bool
    """whether its interval is the bootstrap's"""
    compute: Callable[[Outcome], float | None]


METRICS: dict[str, Metric] = {}


def metric(
    title: str, *, higher_is_better: bool = True, resampled: bool = True
) -> Callable[[Callable[[Outcome], float | None]], Callable[[Outcome], float | None]]:
    """Enter a function into METRICS; its docstring tells people what the figure means.

    The function returns None where the figure does not exist. `resampled` is False where a bootstrap interval would be
    wrong, or a better one is known.
    """

    def enter(compute: Callable[[Outcome], float | None]) -> Callable[[Outcome], float | None]:
        meaning = (compute.__doc__ or "").strip()
        METRICS[compute.__name__] = Metric(compute.__name__, title, meaning, higher_is_better, resampled, compute)
        return compute

    return enter


@metric("Accuracy", resampled=False)
def accuracy(outcome: Outcome) -> float:
    """Share of the examples whose label is decided right."""
    return float(outcome.cells.trace() / outcome.cells.sum())


@metric("F1 (macro)")
def f1_macro(outcome: Outcome) -> float:
    """Harmonic mean of precision and recall, each label counting the same."""
    return outcome.averaged(2, weighted=False)


@metric("Precision (macro)")
def precision_macro(outcome: Outcome) -> float:
    """Share of the decisions for a label that are right, each label counting the same."""
    return outcome.averaged(0, weighted=False)


@metric("Recall (macro)")
def recall_macro(outcome: Outcome) -> float:
    """Share of a label's examples that are found, each label counting the same."""
    return outcome.averaged(1, weighted=False)


@metric("F1 (weighted)")
def f1_weighted(outcome: Outcome) -> float:
    """Harmonic mean of precision and recall, labels counting by their number of examples."""
    return outcome.averaged(2, weighted=True)


@metric("Precision (weighted)")
def precision_weighted(outcome: Outcome) -> float:
    """Share of the decisions for a label that are right, labels counting by their number of examples."""
    return outcome.averaged(0, weighted=True)


@metric("Recall (weighted)")
def recall_weighted(outcome: Outcome) -> float:
    """Share of a label's examples that are found, labels counting by their number of examples."""
    return outcome.averaged(1, weighted=True)


@metric("F1 (positive)")
def f1_positive(outcome: Outcome) -> float | None:
    """Harmonic mean of precision and recall of the second of two labels."""
    return float(outcome.per_class[2, 1]) if outcome.n_labels == 2 else None


@metric("Precision (positive)")
def precision_positive(outcome: Outcome) -> float | None:
    """Share of the decisions for the second of two labels that are right."""
    return float(outcome.per_class[0, 1]) if outcome.n_labels == 2 else None


@metric("Recall (positive)")
def recall_positive(outcome: Outcome) -> float | None:
    """Share of the examples of the second of two labels that are found."""
    return float(outcome.per_class[1, 1]) if outcome.n_labels == 2 else None


@metric("ROC-AUC (macro)")
def roc_auc_ovr_macro(outcome: Outcome) -> float | None:
    """Chance that an example of a label scores higher for it than one of another; each label against the rest."""
    return outcome.area


@metric("Loss", higher_is_better=False)
def loss(outcome: Outcome) -> float | None:
    """Mean cross-entropy in nats: how surprised the model is by the true labels."""
    return None if outcome.true_logs is None else float(-outcome.true_logs.mean())


@metric("Expected calibration error", higher_is_better=False, resampled=False)
def expected_calibration_error(outcome: Outcome) -> float | None:
    """Mean gap between confidence and accuracy, in 15 bins of equal width.

    It has no interval: a resample's bins stray from the data's own, so that nearly all resamples have a larger error.

    C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    if outcome.log_probabilities is None:
        return None
    return calibration_error(np.exp(outcome.log_probabilities.max(axis=1)), outcome.labels == outcome.decisions)


def calibration_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The same from (n,) confidences and (n,) whether the decision is right."""
    gap = right - confidence
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, gap, BINS)).sum() / len(gap))


def values(outcome: Outcome) -> dict[str, float]:
    """Every metric that exists for this outcome, without intervals. Raises ValueError on an empty outcome."""
    if not len(outcome.labels):
        raise ValueError("No metric exists for no examples.")
    found = {name: each.compute(outcome) for name, each in METRICS.items()}
    return {name: value for name, value in found.items() if value is not None}


def summary(outcome: Outcome, names: Sequence[str], resamples: int | None = None) -> dict[str, Any]:
    """A split's entry in metrics.json: n, each metric with its interval, per-label figures, confusion matrix.

    `names` are the labels' names in index order. `resamples` are RESAMPLES; with none only accuracy has an interval.
    """
    found = values(outcome)
    resampled = [name for name in found if METRICS[name].resampled]
    bounds = _bootstrap(outcome, resampled, RESAMPLES if resamples is None else resamples) | {
        "accuracy": wilson(outcome.cells.trace(), outcome.cells.sum())
    }
    precision, recall, f1, support = outcome.per_class
    per_class = [
        {"label": name, "precision": precision[i], "recall": recall[i], "f1": f1[i], "n": int(support[i])}
        for i, name in enumerate(names)
    ]
    return {
        "n": len(outcome.labels),
        **{name: _entry(value, *bounds.get(name, (None, None))) for name, value in found.items()},
        "per_class": per_class,
        "confusion": outcome.cells.tolist(),
    }


def _entry(value: float, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def wilson(hits: Any, n: Any) -> tuple[Any, Any]:
    """Ends of the 95% intervals of shares: E. Wilson, Probable Inference, JASA 1927. Of numbers or of arrays (m,)."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, n, alpha=0.05, method="wilson")
    return (low, high) if np.ndim(low) else (float(low), float(high))


def _bootstrap(outcome: Outcome, names: Sequence[str], resamples: int) -> dict[str, Interval]:
    """Percentile intervals of several metrics from the same resamples; one example alone has none."""
    if len(outcome.labels) < 2:
        return {}
    draws = [[METRICS[name].compute(resample) for name in names] for resample in outcome.resamples(resamples)]
    return {name: percentiles(draw) for name, draw in zip(names, zip(*draws, strict=True), strict=False)}


def percentiles(draw: Sequence[float | None]) -> Interval:
    """The middle 95% of the resamples in which the figure exists."""
    known = [value for value in draw if value is not None]
    if not known:
        return None, None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
