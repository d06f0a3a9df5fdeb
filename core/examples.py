"""Examples of a split that a reader chose, those first that the model was surest of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.evaluation import Evaluation
from core.wording import as_line, percent

PAGE: Final = 10
"""Examples that are shown at a time."""


@dataclass(frozen=True)
class Choice:
    """Which examples; None where any is meant."""

    true: str | None = None
    decided: str | None = None
    among: str | None = None
    """name of a slice"""
    mistakes: bool = True
    """only those that were decided wrong; of no effect on a cell, which has one kind only"""

    @property
    def is_cell(self) -> bool:
        """Whether it is one cell of the confusion matrix."""
        return self.true is not None and self.decided is not None

    def words(self, n: int) -> str:
        """What is listed, in words: `12 mistakes where the true label is positive`."""
        kind = "mistake" if self.mistakes and not self.is_cell else "example"
        where = [f"the true label is {as_line(self.true)}"] if self.true else []
        where += [f"{as_line(self.decided)} was decided"] if self.decided else []
        within = f" among “{as_line(self.among)}”" if self.among else ""
        said = f"{n:,} {kind}{'' if n == 1 else 's'}{within}" + (f" where {' and '.join(where)}" if where else "")
        return said + (", those first that the model was surest of." if n > 1 else ".")


def rows(of: Evaluation, choice: Choice) -> npt.NDArray[np.int64]:
    """The rows of the chosen examples, the surest decisions first."""
    meant = np.ones(len(of.found), dtype=bool)
    if choice.true is not None:
        meant &= of.found.label == of.labels.index(choice.true)
    if choice.decided is not None:
        meant &= of.decisions == of.labels.index(choice.decided)
    if choice.among is not None:
        meant &= of.slices[choice.among]
    if choice.mistakes and not choice.is_cell:
        meant &= ~of.right
    chosen = np.flatnonzero(meant)
    return np.asarray(chosen[np.argsort(-of.confidence[chosen], kind="stable")])


def table(of: Evaluation, chosen: npt.NDArray[np.int64], texts: pd.DataFrame | None) -> pd.DataFrame:
    """A row an example: id, true, decided, confidence (of the decided label), and its texts where they can be had."""
    names = np.array(of.labels, dtype=object)
    shown = pd.DataFrame(
        {
            "id": of.found.id[chosen],
            "true": names[of.found.label[chosen]],
            "decided": names[of.decisions[chosen]],
            "confidence": of.confidence[chosen],
        }
    )
    if texts is None:
        return shown
    return shown.join(texts[[column for column in ("text", "text_pair") if column in texts]], on="id")


def pages(n: int) -> int:
    """How many pages so many examples fill; none fill one, too."""
    return max(1, -(-n // PAGE))


def page(chosen: npt.NDArray[np.int64], number: int) -> npt.NDArray[np.int64]:
    """The rows on a page, counted from 1."""
    return chosen[(number - 1) * PAGE : number * PAGE]


def caption(row: Mapping[str, Any]) -> str:
    """What stands under an example: what it is, what was decided, how surely."""
    said = (
        f"Is {as_line(row['true'])}, and was decided so"
        if row["true"] == row["decided"]
        else f"Is **{as_line(row['true'])}**, decided **{as_line(row['decided'])}**"
    )
    return f"{said} · {percent(row['confidence'])} sure · {as_line(row['id'])}"
