"""The confusion matrix in words: what its cells say, and in which order its labels stand."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Written = Literal["Counts", "Of the true label", "Of the decided label"]
WRITTEN: Final[tuple[Written, ...]] = ("Counts", "Of the true label", "Of the decided label")
"""What the cells may say: how many examples, or which share of their row or of their column."""


def written(cells: pd.DataFrame, how: Written) -> pd.DataFrame:
    """`views.confusion` with `shown`, what a cell says, and `shade` (0 to 1), how dark it is.

    Counts are as dark as their share of the row, so that a rare label's cells can be told apart, too.
    """
    within = "decided" if how == "Of the decided label" else "true"
    shade = cells["count"] / cells.groupby(within)["count"].transform("sum").clip(lower=1)
    shown = cells["count"].map("{:,}".format) if how == "Counts" else shade.map("{:.0%}".format)
    return cells.assign(shade=shade, shown=shown)


def ordered(split: dict[str, Any], labels: Sequence[str], blocks: bool) -> tuple[dict[str, Any], list[str]]:
    """A split's confusion and the labels, in their own order or so that labels taken for each other stand together."""
    counts = np.array(split["confusion"])
    order = in_blocks(counts) if blocks else list(range(len(labels)))
    return {"confusion": counts[np.ix_(order, order)].tolist()}, [labels[place] for place in order]


def in_blocks(counts: npt.NDArray[np.int64]) -> list[int]:
    """The labels' places such that neighbours are taken for each other as often as can be.

    Labels are as far apart as they are told apart: one minus the mean of both directions' shares. Their tree (average
    linkage) has its leaves in the best order there is: Z. Bar-Joseph, D. Gifford and T. Jaakkola, Fast Optimal Leaf
    Ordering for Hierarchical Clustering, Bioinformatics 2001. Up to three labels stay as they are.
    """
    if len(counts) <= 3:
        return list(range(len(counts)))
    from scipy.cluster.hierarchy import leaves_list, linkage  # slow to import, and a page may do without
    from scipy.spatial.distance import squareform

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    apart = 1 - (shares + shares.T) / 2
    np.fill_diagonal(apart, 0)
    order = [int(place) for place in leaves_list(linkage(squareform(apart), "average", optimal_ordering=True))]
    return order if order[0] < order[-1] else order[::-1]  # both ways are as good: keep to the labels' own
