"""Slices: where is the model wrong more often than elsewhere? Groups of examples, each against the rest.

A slice is a name and which of the examples it has. Groups come from what every record holds (length, truncation,
leaks), and from what training wrote beside the predictions: contradicting labels, and the columns the recipe names.
Of each grouping a number an example is kept: hundreds of slices of a million examples fit, and are counted at once.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import metrics
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


@dataclass(frozen=True)
class Grouping:
    """Examples parted by one thing that is known of them."""

    names: Sequence[str]
    places: npt.NDArray[np.int16]
    """(n,) place of each example's name; -1 for one without"""

    @classmethod
    def of_one(cls, name: str, rows: npt.NDArray[np.bool_]) -> "Grouping":
        """A single group: whether each example is in it (n,)."""
        return cls([name], np.where(rows, 0, -1).astype(np.int16))

    def count(self, rows: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
        """(names,) examples in each group; with `rows` (n,) those that are meant."""
        places = self.places if rows is None else self.places[rows]
        return np.bincount(places.astype(np.int64) + 1, minlength=len(self.names) + 1)[1:]


class Slices(Mapping[str, npt.NDArray[np.bool_]]):
    """By name, whether each example is in it (n,). A slice of all examples, or of none, is left out: it has no rest."""

    def __init__(self, groupings: Sequence[Grouping]) -> None:
        self._groupings = groupings
        self._places = {
            name: (number, place)
            for number, grouping in enumerate(groupings)
            for place, (name, n) in enumerate(zip(grouping.names, grouping.count(), strict=True))
            if 0 < n < len(grouping.places)
        }

    def __getitem__(self, name: str) -> npt.NDArray[np.bool_]:
        number, place = self._places[name]
        return np.asarray(self._groupings[number].places == place)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def counts(self, rows: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
        """(slices,) how many examples are in each; with `rows` (n,) how many of those."""
        found = [grouping.count(rows) for grouping in self._groupings]
        return np.array([found[number][place] for number, place in self._places.values()], dtype=np.int64)


def of(found: Predictions, leaked: Collection[str], columns: pd.DataFrame | None) -> Slices:
    """All slices that there are: `leaked` has ids; `columns` are as in slices/<split>.parquet, by id, if any are."""
    groupings = [
        _by_length(found),
        Grouping.of_one("Longer than the model reads", found.truncated),
        Grouping.of_one("Read before: in training or validation, too", pd.Index(found.id).isin(list(leaked))),
    ]
    if columns is not None:
        groupings += _by_column(columns.reindex(found.id))
    return Slices(groupings)


def table(slices: Slices, right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """A row a slice, those first that are worst even by the upper end of their interval.

    Columns: slice, n, accuracy with its 95% interval (Wilson's) in low and high, difference to the accuracy of the
    rest, and few: whether there are fewer than FEW examples.
    """
    n, hits = slices.counts(), slices.counts(right)
    low, high = metrics.wilson(hits, n) if len(n) else (hits, hits)
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


def _by_length(found: Predictions) -> Grouping:
    """Quartiles of the number of tokens; fewer where many texts are of one length."""
    ends = np.unique(np.quantile(found.n_tokens, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf"))
    place = np.searchsorted(ends[1:], found.n_tokens)  # the first, shortest texts belong to the first quartile
    lengths = [found.n_tokens[place == each] for each in range(max(1, len(ends) - 1))]
    names = [f"{each.min():,} to {each.max():,} tokens long" for each in lengths]
    return Grouping(names, place.astype(np.int16))


def _by_column(columns: pd.DataFrame) -> Iterator[Grouping]:
    for column in columns:
        if column == CONFLICT:
            yield Grouping.of_one("With another label elsewhere", (columns[column] == True).to_numpy(dtype=bool))  # noqa: E712  NaN is neither
            continue
        values = columns[column].fillna("").astype(str)
        names = sorted(values.value_counts().index[:MOST])
        codes, known = pd.factorize(values)
        places = pd.Index(names).get_indexer(known).astype(np.int16)[codes]
        yield Grouping([f"{column}: {value or NOTHING}" for value in names], places)
