"""Slices: where is the model wrong more often than elsewhere? Groups of examples, each against the rest.

A slice is a name and which of the examples it has. Groups come from what every record holds (length, truncation,
leaks), and from what training wrote beside the predictions: contradicting labels, and the columns the recipe names.
"""

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from core.predictions import Predictions
from core.wording import figure, interval

FEW: Final = 20
"""A slice of fewer examples says little."""
CONFLICT: Final = "conflict"
"""Column of a slices file: whether the same text has another label elsewhere in the data."""
MOST: Final = 200
"""Of a column with more different values, only so many have slices, the commonest."""
NOTHING: Final = "(nothing)"
"""Name of a value that is empty."""

Slices = Mapping[str, npt.NDArray[np.bool_]]
"""By name, whether each example is in it (n,)."""


def of(found: Predictions, leaked: Collection[str], columns: pd.DataFrame | None) -> Slices:
    """All slices that there are: `leaked` has ids; `columns` are as in slices/<split>.parquet, by id, if there are any.

    A slice of all examples, or of none, is left out: it has no rest.
    """
    named = _by_length(found) | {
        "Longer than the model reads": found.truncated,
        "Read before: in training or validation, too": np.isin(found.id, list(leaked)),
    }
    if columns is not None:
        named |= _by_column(columns.reindex(found.id))
    return {name: rows for name, rows in named.items() if rows.any() and not rows.all()}


def table(slices: Slices, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """A row a slice, those first that are worst even by the upper end of their interval.

    Columns: slice, n, accuracy with its 95% interval (Wilson's) in low and high, difference to the accuracy of the
    rest, and few: whether there are fewer than FEW examples.
    """
    n = np.array([rows.sum() for rows in slices.values()], dtype=int)
    hits = np.array([right[rows].sum() for rows in slices.values()], dtype=int)
    low, high = proportion_confint(hits, n, alpha=0.05, method="wilson") if len(n) else (hits, hits)
    rest = (right.sum() - hits) / (len(right) - n)
    frame = pd.DataFrame(
        {
            "slice": list(slices),
            "n": n,
            "accuracy": hits / n,
            "low": low,
            "high": high,
            "difference": hits / n - rest,
            "few": n < FEW,
        }
    )
    return frame.sort_values(["high", "accuracy"], ignore_index=True, kind="stable")


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`table` as people read it."""
    return pd.DataFrame(
        {
            "Slice": found["slice"],
            "Examples": [f"{n:,}" + (" (few)" if few else "") for n, few in zip(found["n"], found["few"], strict=True)],
            "Accuracy": found["accuracy"].map(figure),
            "95% interval": [
                interval({"low": low, "high": high}) for low, high in zip(found["low"], found["high"], strict=True)
            ],
            "Against the rest": found["difference"].map(lambda value: f"{'+' if value > 0 else ''}{figure(value)}"),
        }
    )


def _by_length(found: Predictions) -> dict[str, npt.NDArray[np.bool_]]:
    """Quartiles of the number of tokens; fewer where many texts are of one length."""
    ends = np.unique(np.quantile(found.n_tokens, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf"))
    place = np.searchsorted(ends[1:], found.n_tokens)  # the first, shortest texts belong to the first quartile
    groups = {each: place == each for each in range(len(ends) - 1)}
    return {
        f"{found.n_tokens[rows].min():,} to {found.n_tokens[rows].max():,} tokens long": rows
        for rows in groups.values()
        if rows.any()
    }


def _by_column(columns: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    named = {}
    for column in columns:
        if column == CONFLICT:
            named["With another label elsewhere"] = (columns[column] == True).to_numpy(dtype=bool)  # noqa: E712  NaN is neither
            continue
        values = columns[column].fillna("").astype(str)
        for value in sorted(values.value_counts().index[:MOST]):
            named[f"{column}: {value or NOTHING}"] = (values == value).to_numpy(dtype=bool)
    return named
