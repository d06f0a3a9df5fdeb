"""What a verdict rests on, in words: a paragraph, what can be said of two runs, and a verification as a page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from core import views
from core.metrics import METRICS
from core.paired import ALPHA, Paired
from core.wording import as_markdown, figure, interval, percent, when

ALSO: Final = ("f1_macro", "loss", "roc_auc_ovr_macro")
"""Metrics that are spoken of beside accuracy; the others say much the same."""


def paragraph(verdict: Mapping[str, Any]) -> str:
    """What a stored verdict rests on."""
    return (
        f"{verdict['n']:,} examples compared; {verdict['flips']:,} decided differently ({_churn(verdict)}). "
        f"The largest change of a probability is {verdict['max_probability_change']:.2g}. "
        f"Exact McNemar test: p = {verdict['p_value']:.3g}. "
        + _resolution(verdict["n"], verdict["smallest_gap"], verdict.get("likely_gap"))
    )


def conclusions(found: Paired, n_first: int, n_second: int) -> tuple[str, ...]:
    """What can be concluded of two runs, and what cannot; they have so many test examples, of which some are shared."""
    caution = (
        "Two runs were compared, not two recipes: another seed can move a score as much. "
        "`python -m train fit RECIPE --seeds 5` shows how much."
    )
    shared, resolution = _shared(found.n, n_first, n_second), _resolution(found.n, found.smallest_gap, found.likely_gap)
    return shared, _counted(found), _by_accuracy(found), resolution, _by_the_others(found), caution


def report(verification: Mapping[str, Any]) -> str:
    """A verification as a page of Markdown: verdict, metrics side by side, evidence, flips, files."""
    verdict = verification["verdict"]
    parts = [
        f"# {verification['repo']}@{verification['commit']}",
        f"**{verdict['kind']}**: {as_markdown(verdict['sentence'])}",
        f"Compared with {as_markdown(verification['compared_with'])}, {when(verification['when'])}. "
        f"{verification.get('signature', '')}".strip(),
    ]
    if verdict["metrics"]:
        parts += [_table(views.comparison(verdict), "lrrrr"), paragraph(verdict)]
    if len(flips := views.flips(verdict)):
        parts.append(_table(flips, "llllr"))
    return "\n\n".join([*parts, _table(views.files(verification), "llll")]) + "\n"


def _table(frame: pd.DataFrame, sides: str) -> str:
    """A Markdown table, its columns to the l(eft), which hold words, or to the r(ight), which hold figures."""
    rows = [
        [cell if side == "r" else as_markdown(" ".join(cell.split())) for cell, side in zip(row, sides, strict=True)]
        for row in frame.to_numpy().tolist()
    ]
    rule = ["---" if side == "l" else "---:" for side in sides]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(frame.columns), rule, *rows])


def _churn(verdict: Mapping[str, Any]) -> str:
    won, lost, flips = verdict["won"], verdict["lost"], verdict["flips"]
    directions = f"{won:,} for the better, {lost:,} for the worse"
    wrong = f", {flips - won - lost:,} wrong both times" if flips > won + lost else ""
    return f"{directions}{wrong}; a churn of {percent(flips / verdict['n'])}" if flips else directions


def _shared(n: int, n_first: int, n_second: int) -> str:
    if n == n_first == n_second:
        return f"Both runs were tested on the same examples, {n:,} in number."
    return (
        f"{n:,} test examples are shared, of {n_first:,} that the first has and {n_second:,} that the second has; "
        "only these are compared."
    )


def _counted(found: Paired) -> str:
    return (
        f"Both have {found.both:,} of them right and {found.neither:,} wrong; the first alone has "
        f"{found.lost:,} right, the second alone {found.won:,}."
    )


def _by_accuracy(found: Paired) -> str:
    if not found.lost + found.won:
        return "By accuracy nothing tells the two apart: they are right on the very same examples."
    each = found.of("accuracy")
    evidence = (
        f"{figure(each.difference)} (95% interval {interval({'low': each.low, 'high': each.high})}; "
        f"exact McNemar test: p = {found.p_value:.2g})"
    )
    if found.p_value <= ALPHA:
        more = "second" if found.won > found.lost else "first"
        return f"The {more} is more accurate: chance hardly explains a difference of {evidence}."
    return (
        f"Which of the two is more accurate cannot be said: chance explains a difference of {evidence}. "
        "Nor are they shown to be equal: any difference in the interval remains possible."
    )


def _resolution(n: int, smallest: float | None, likely: float | None) -> str:
    """How small a difference the examples can show; verifications of before there was a likely gap have none."""
    if smallest is None:
        return "So few examples can show no difference in accuracy at all."
    said = (
        f"The smallest difference in accuracy that {n:,} examples can show is {figure(smallest)}, "
        "where all disagreements go one way."
    )
    if likely is None:
        return said
    return f"{said} With as many disagreements as here, one of {figure(likely)} is found four times in five."


def _by_the_others(found: Paired) -> str:
    """Which of the other metrics tell the two apart; each alone, with no correction for there being several."""
    said = {"first": "the first is better", "second": "the second is better", "": "they cannot be told apart"}
    parts = []
    for better, words in said.items():
        titles = [METRICS[each.metric].title for each in found.metrics if each.metric in ALSO and each.better == better]
        parts += [f"by {_listed(titles)} {words}"] if titles else []
    return f"B{'; '.join(parts)[1:]}."


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
