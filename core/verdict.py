"""Two records of the same examples -> a verdict, with its evidence. Pure.

identical          same bytes, same predictions
drift              numbers differ, no decision does
decisions changed  some decisions flip, but the exact McNemar test cannot tell the two apart
different          the test can
unverifiable       something is missing or does not fit; it is named
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar

from core import metrics
from core.predictions import Predictions

ALPHA: Final = 0.05


class Kind(StrEnum):
    """What a comparison concludes."""

    IDENTICAL = "identical"
    DRIFT = "drift"
    DECISIONS_CHANGED = "decisions changed"
    DIFFERENT = "different"
    UNVERIFIABLE = "unverifiable"

    @property
    def good(self) -> bool:
        """Whether the Hub's model decides as the measured one did, on every example."""
        return self in (Kind.IDENTICAL, Kind.DRIFT)


@dataclass(frozen=True)
class Verdict:
    """A conclusion and what it rests on. Figures are None for `unverifiable`."""

    kind: Kind
    sentence: str
    n: int = 0
    """examples compared"""
    flips: int | None = None
    """examples decided differently"""
    lost: int | None = None
    """of these, right locally and wrong on the Hub"""
    won: int | None = None
    """of these, wrong locally and right on the Hub"""
    max_probability_change: float | None = None
    p_value: float | None = None
    """exact McNemar test, two-sided"""
    smallest_gap: float | None = None
    """least difference in accuracy that a set of this size can show at 5%"""
    metrics: tuple[dict[str, Any], ...] = ()
    """metric, local, hub, difference"""

    def to_json(self) -> dict[str, Any]:
        """As stored in verifications."""
        return asdict(self) | {"kind": self.kind.value, "metrics": list(self.metrics)}


def unverifiable(reason: str) -> Verdict:
    """No comparison was possible, because of `reason` (a sentence)."""
    return Verdict(Kind.UNVERIFIABLE, reason)


def compare(
    local: Predictions, hub: Predictions, local_labels: Sequence[str], hub_labels: Sequence[str], *, same_bytes: bool
) -> Verdict:
    """Compare two sets of predictions for the same examples; labels are matched by name, examples by id."""
    if reason := _obstacle(local, hub, local_labels, hub_labels):
        return unverifiable(reason)
    hub = _aligned(hub, local, hub_labels, local_labels)
    right_local, right_hub = local.decisions == local.label, hub.decisions == local.label
    lost, won = int((right_local & ~right_hub).sum()), int((~right_local & right_hub).sum())
    flips = int((local.decisions != hub.decisions).sum())
    change = float(np.abs(local.probabilities - hub.probabilities).max())
    p_value = exact_mcnemar(right_local, right_hub)
    kind = _kind(same_bytes, np.array_equal(local.logits, hub.logits), flips, p_value)
    return Verdict(
        kind=kind,
        sentence=_sentence(kind, len(local), flips, change, p_value, same_bytes),
        n=len(local),
        flips=flips,
        lost=lost,
        won=won,
        max_probability_change=change,
        p_value=p_value,
        smallest_gap=smallest_gap(len(local)),
        metrics=_metric_differences(local, hub),
    )


def smallest_gap(n: int) -> float | None:
    """Least difference in accuracy over n examples that an exact McNemar test can show; None if none can.

    It is reached when every flip goes the same way: m flips are significant once 2 * 0.5**m <= 5%.
    """
    flips = next((m for m in range(1, n + 1) if binomtest(m, m, 0.5).pvalue <= ALPHA), None)
    return None if flips is None else flips / n


def exact_mcnemar(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Two-sided p-value of the exact McNemar test; `one` and `other` (n,) say which examples each has right."""
    table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
    if table[0][1] + table[1][0] == 0:
        return 1.0  # nothing to tell them apart; the library divides by it
    return float(mcnemar(table, exact=True).pvalue)


def _obstacle(local: Predictions, hub: Predictions, local_labels: Sequence[str], hub_labels: Sequence[str]) -> str:
    if set(local_labels) != set(hub_labels):
        return f"The labels differ: {', '.join(local_labels)} here, {', '.join(hub_labels)} on the Hub."
    if set(local.id) != set(hub.id) or len(local) != len(hub):
        return (
            f"The examples differ: {len(local)} here, {len(hub)} on the Hub, {len(set(local.id) & set(hub.id))} shared."
        )
    rows = _rows(hub, local)
    if not np.array_equal(local.text_sha256, hub.text_sha256[rows]):
        return "The examples have the same ids but different texts."
    names = np.array(local_labels)[local.label], np.array(hub_labels)[hub.label[rows]]
    return "" if np.array_equal(*names) else "The examples have the same texts but different true labels."


def _rows(of: Predictions, like: Predictions) -> npt.NDArray[np.int64]:
    """Rows of `of` in the order in which `like` names its examples."""
    position = {name: row for row, name in enumerate(of.id)}
    return np.array([position[name] for name in like.id], dtype=np.int64)


def _aligned(of: Predictions, like: Predictions, names: Sequence[str], wanted: Sequence[str]) -> Predictions:
    rows, columns = _rows(of, like), [list(names).index(name) for name in wanted]
    return Predictions(
        id=of.id[rows],
        text_sha256=of.text_sha256[rows],
        label=like.label,
        logits=of.logits[rows][:, columns],
        n_tokens=of.n_tokens[rows],
        truncated=of.truncated[rows],
    )


def _kind(same_bytes: bool, same_logits: bool, flips: int, p_value: float) -> Kind:
    if flips == 0:
        return Kind.IDENTICAL if same_bytes and same_logits else Kind.DRIFT
    return Kind.DIFFERENT if p_value <= ALPHA else Kind.DECISIONS_CHANGED


def _sentence(kind: Kind, n: int, flips: int, change: float, p_value: float, same_bytes: bool) -> str:
    files = "every file is the same" if same_bytes else "the files are not all the same"
    return {
        Kind.IDENTICAL: f"The model on the Hub is the one that was measured: {files}, and so are all {n} predictions.",
        Kind.DRIFT: f"All {n} decisions agree and {files}; no probability moved by more than {change:.2g}.",
        Kind.DECISIONS_CHANGED: f"{flips} of {n} decisions changed, too few to call one better (p = {p_value:.2g}).",
        Kind.DIFFERENT: f"{flips} of {n} decisions changed, more than chance explains (p = {p_value:.2g}).",
    }[kind]


def _metric_differences(local: Predictions, hub: Predictions) -> tuple[dict[str, Any], ...]:
    ours, theirs = (metrics.values(metrics.Outcome.of_logits(each.logits, local.label)) for each in (local, hub))
    return tuple(
        {"metric": name, "local": value, "hub": theirs[name], "difference": theirs[name] - value}
        for name, value in ours.items()
    )
