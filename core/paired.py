"""Two sets of predictions over shared examples -> what can be concluded of their difference. Pure.

Accuracy is compared by the exact McNemar test, every figure by a paired bootstrap: both sides are computed from the
same resamples, and the middle 95% of their differences is the interval (B. Efron and R. Tibshirani, An Introduction to
the Bootstrap, 1993, chapters 8 and 13).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.power import NormalIndPower

from core import metrics
from core.errors import RunError
from core.metrics import METRICS, Outcome
from core.predictions import Predictions
from core.verdict import ALPHA, exact_mcnemar, smallest_gap
from core.wording import figure, interval

COMPARED: Final = ("accuracy", "f1_macro", "loss", "roc_auc_ovr_macro")
POWER: Final = 0.8

Floats = npt.NDArray[np.float64]


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
class Paired:
    """A comparison of two runs and what it rests on."""

    n: int
    """examples that both have"""
    n_first: int
    n_second: int
    both: int
    """of the shared examples, those that both decide right"""
    only_first: int
    only_second: int
    neither: int
    p_value: float
    """exact McNemar test, two-sided"""
    smallest_gap: float | None
    """least difference in accuracy that so many examples can show at 5%"""
    likely_gap: float | None
    """the difference in accuracy that they show at 5% with a power of 80%"""
    differences: tuple[Difference, ...]
    """those of COMPARED that exist, in that order; accuracy always does"""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can be concluded, and what cannot, in plain words."""
        caution = (
            "Two runs were compared, not two recipes: another seed can move a score as much. "
            "`python -m train fit RECIPE --seeds 5` shows how much."
        )
        return _shared(self), _counted(self), _by_accuracy(self), _resolved(self), _by_the_others(self), caution

    def to_json(self) -> dict[str, Any]:
        """Figures and sentences, as JSON holds them."""
        return asdict(self) | {
            "differences": [asdict(each) for each in self.differences],
            "sentences": list(self.sentences),
        }


def compare(
    first: Predictions, second: Predictions, first_labels: Sequence[str], second_labels: Sequence[str]
) -> Paired:
    """Compare two sets of predictions where they have the same example: the same id and the same text.

    Labels are matched by name. Raises RunError when the labels differ, no example is shared, or a shared one has two
    true labels.
    """
    one, other = _outcomes(first, second, first_labels, second_labels)
    right, right_too = one.labels == one.decisions, one.labels == other.decisions
    p_value, n = exact_mcnemar(right, right_too), len(right)
    return Paired(
        n=n,
        n_first=len(first),
        n_second=len(second),
        both=int((right & right_too).sum()),
        only_first=int((right & ~right_too).sum()),
        only_second=int((~right & right_too).sum()),
        neither=int((~right & ~right_too).sum()),
        p_value=p_value,
        smallest_gap=smallest_gap(n),
        likely_gap=likely_gap(n, float((right != right_too).mean())),
        differences=_differences(one, other),
    )


def likely_gap(n: int, disagreement: float) -> float | None:
    """The difference in accuracy that n examples show at 5% with a power of 80%; None if no difference is so large.

    `disagreement` is the share of examples that only one of two has right: with it grows the variance of the
    difference (R. Connor, Biometrics 1987). It is no less than the difference itself. By the normal approximation.
    """
    effect = float(NormalIndPower().solve_power(nobs1=n, alpha=ALPHA, power=POWER, ratio=0))
    gap = max(effect * disagreement**0.5, effect**2)  # the second: all disagreements go one way
    return gap if gap <= 1 else None


def table(found: Paired) -> pd.DataFrame:
    """The metrics as people read them: Metric, First, Second, Difference (95%)."""
    rows = [
        (
            METRICS[each.metric].title,
            figure(each.first),
            figure(each.second),
            f"{figure(each.difference)} ({interval({'low': each.low, 'high': each.high})})",
        )
        for each in found.differences
    ]
    return pd.DataFrame(rows, columns=["Metric", "First", "Second", "Difference (95%)"])


def _outcomes(
    first: Predictions, second: Predictions, first_labels: Sequence[str], second_labels: Sequence[str]
) -> tuple[Outcome, Outcome]:
    """Both sides on the shared examples, in one order, with the first's labels."""
    if set(first_labels) != set(second_labels):
        raise RunError(
            f"The labels differ, so that the two cannot be compared: {', '.join(first_labels)} in the first, "
            f"{', '.join(second_labels)} in the second."
        )
    _, rows, others = np.intersect1d(_keys(first), _keys(second), return_indices=True)
    if not len(rows):
        raise RunError(
            f"No example is shared: of {len(first):,} and {len(second):,}, none has the same id and the same text. "
            "Compare runs whose test splits come from the same data."
        )
    truth = np.array(first_labels)[first.label[rows]]
    if clash := int((truth != np.array(second_labels)[second.label[others]]).sum()):
        raise RunError(
            f"{clash:,} of {len(rows):,} shared examples have different true labels, so that the two cannot be "
            "compared: the data were labelled anew in between. Train both on the same data."
        )
    columns = [list(second_labels).index(name) for name in first_labels]
    return (
        Outcome.of_logits(first.logits[rows], first.label[rows]),
        Outcome.of_logits(second.logits[others][:, columns], first.label[rows]),
    )


def _keys(found: Predictions) -> npt.NDArray[np.str_]:
    return np.array([f"{text} {name}" for text, name in zip(found.text_sha256, found.id, strict=True)])


def _differences(one: Outcome, other: Outcome) -> tuple[Difference, ...]:
    ours, theirs = metrics.values(one), metrics.values(other)
    draws = _bootstrap(one, other)
    return tuple(
        Difference(name, ours[name], theirs[name], theirs[name] - ours[name], *_middle(draws[:, column]))
        for column, name in enumerate(COMPARED)
        if name in ours and name in theirs
    )


def _bootstrap(one: Outcome, other: Outcome) -> Floats:
    """(resamples, len(COMPARED)): second minus first; NaN where a figure does not exist. One example alone has none."""
    n, rng = len(one.labels), np.random.default_rng(metrics.SEED)
    draws = []
    for _ in range(metrics.RESAMPLES if n > 1 else 0):
        rows = rng.integers(0, n, n)
        draws.append(_figures(other.resample(rows)) - _figures(one.resample(rows)))
    return np.array(draws).reshape(-1, len(COMPARED))


def _figures(outcome: Outcome) -> Floats:
    return np.array([METRICS[name].compute(outcome) for name in COMPARED], dtype=np.float64)  # None becomes NaN


def _middle(draws: Floats) -> tuple[float | None, float | None]:
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None, None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _shared(found: Paired) -> str:
    if found.n == found.n_first == found.n_second:
        return f"Both runs were tested on the same examples, {found.n:,} in number."
    return (
        f"{found.n:,} test examples are shared, of {found.n_first:,} that the first has and {found.n_second:,} that "
        "the second has; only these are compared."
    )


def _counted(found: Paired) -> str:
    return (
        f"Both have {found.both:,} of them right and {found.neither:,} wrong; the first alone has "
        f"{found.only_first:,} right, the second alone {found.only_second:,}."
    )


def _by_accuracy(found: Paired) -> str:
    if not found.only_first + found.only_second:
        return "By accuracy nothing tells the two apart: they are right on the very same examples."
    each = found.differences[0]
    evidence = (
        f"{figure(each.difference)} (95% interval {interval({'low': each.low, 'high': each.high})}; "
        f"exact McNemar test: p = {found.p_value:.2g})"
    )
    if found.p_value <= ALPHA:
        more = "second" if found.only_second > found.only_first else "first"
        return f"The {more} is more accurate: chance hardly explains a difference of {evidence}."
    return (
        f"Which of the two is more accurate cannot be said: chance explains a difference of {evidence}. "
        "Nor are they shown to be equal: any difference in the interval remains possible."
    )


def _resolved(found: Paired) -> str:
    if found.smallest_gap is None:
        return "So few examples can show no difference in accuracy at all."
    smallest = (
        f"The smallest difference in accuracy that {found.n:,} examples can show is {figure(found.smallest_gap)}, "
        "where all disagreements go one way."
    )
    if found.likely_gap is None:
        return smallest
    return (
        f"{smallest} With as many disagreements as here, one of {figure(found.likely_gap)} is found four times in five."
    )


def _by_the_others(found: Paired) -> str:
    """Which of the other metrics tell the two apart; each alone, with no correction for there being several."""
    said = {"first": "the first is better", "second": "the second is better", "": "they cannot be told apart"}
    parts = []
    for better, words in said.items():
        titles = [METRICS[each.metric].title for each in found.differences[1:] if each.better == better]
        parts += [f"by {_listed(titles)} {words}"] if titles else []
    return f"B{'; '.join(parts)[1:]}."


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
