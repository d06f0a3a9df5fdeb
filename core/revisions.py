"""The commits of a repo as revisions of a model: what each is called, and how it scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from core import hub, integrity
from core.errors import WRONG_SHAPE, VerdictError
from core.wording import as_cell, figure, interval, when

SHOWN = 50
"""Commits that are listed, the newest; what is older can be named by its commit."""
UNTAGGED = "not promoted"
"""How a revision without a tag is marked: it can be looked at like any other, but nobody vouched for it."""


@dataclass(frozen=True)
class Revision:
    """A commit of a repo."""

    repo: str
    commit: str
    when: datetime
    title: str
    tags: tuple[str, ...]
    scores: Mapping[str, Any] | None
    """the test split's entry in metrics.json; None where there is none to be trusted"""
    problem: str
    """why it has no scores; nothing where it has"""

    @property
    def name(self) -> str:
        """`user/name@commit`."""
        return f"{self.repo}@{self.commit}"


def of(repo: str) -> list[Revision]:
    """The newest revisions of a repo, newest first, those that Verdict did not publish among them.

    Raises HubError when the repo cannot be had.
    """
    tags: dict[str, list[str]] = {}
    for tag, commit in hub.tags(repo).items():
        tags.setdefault(commit, []).append(tag)
    return [_revision(repo, each, tuple(sorted(tags.get(each["commit"], ())))) for each in hub.history(repo)[:SHOWN]]


def _revision(repo: str, entry: Mapping[str, Any], tags: tuple[str, ...]) -> Revision:
    scores, problem = None, ""
    try:
        scores = integrity.fetch(repo, entry["commit"], "scores").record.metrics["splits"]["test"]
    except VerdictError as error:
        problem = str(error)
    except WRONG_SHAPE:
        problem = "Its metrics.json does not hold what Verdict writes there."
    return Revision(repo, entry["commit"], entry["when"], entry["title"], tags, scores, problem)


def table(found: Sequence[Revision]) -> pd.DataFrame:
    """A row a revision as people read it."""
    columns = ["Commit", "Tags", "Test accuracy", "95% interval", "F1 (macro)", "Title", "When"]
    return pd.DataFrame([_row(each) for each in found], columns=columns).map(as_cell)  # anybody can title a commit


def over_time(found: Sequence[Revision]) -> pd.DataFrame:
    """A row a revision with scores, oldest first: commit, when, tags, and its accuracy as value, low, high."""
    rows = [
        {"commit": each.commit[:7], "when": each.when, "tags": ", ".join(each.tags), **each.scores["accuracy"]}
        for each in reversed(found)
        if each.scores is not None
    ]
    return pd.DataFrame(rows, columns=["commit", "when", "tags", "value", "low", "high"])


def _row(each: Revision) -> dict[str, str]:
    row = {
        "Commit": each.commit[:7],
        "Tags": ", ".join(each.tags) or UNTAGGED,
        "Title": each.title,
        "When": when(each.when),
    }
    if each.scores is None:
        none = dict.fromkeys(("Test accuracy", "95% interval", "F1 (macro)"), "–")
        return row | none | {"Title": f"{each.title}: {each.problem}"}
    accuracy, f1 = each.scores["accuracy"], each.scores["f1_macro"]
    shown = {"Test accuracy": figure(accuracy["value"]), "95% interval": interval(accuracy)}
    return row | shown | {"F1 (macro)": figure(f1["value"])}
