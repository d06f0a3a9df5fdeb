"""Per-example logits of a split: the table that every figure is derived from, in memory and as a parquet file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import RunError

BLOCK: Final = 16_384
"""Rows whose probabilities are computed at a time: for a million at once, what lies in between is large."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text_sha256", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("logits", pa.list_(pa.float32()), nullable=False),
        pa.field("n_tokens", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
    ]
)


Strings = pd.api.extensions.ExtensionArray
"""(n,) strings as Arrow has them, of pandas' dtype `str`: NumPy's would take four bytes a sign."""


@dataclass(frozen=True)
class Predictions:
    """n examples, k labels; the rows are in the split's order."""

    id: Strings
    """(n,) names of the examples"""
    text_sha256: Strings
    """(n,) hashes of their texts"""
    label: npt.NDArray[np.int64]
    """(n,) true labels"""
    logits: npt.NDArray[np.float32]
    """(n, k) raw outputs of the model"""
    n_tokens: npt.NDArray[np.int64]
    """(n,) tokens of the whole text, special tokens included"""
    truncated: npt.NDArray[np.bool_]
    """(n,) whether the model read only the beginning"""

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(n, k) softmax of the logits."""
        from scipy.special import softmax  # slow to import, and a page may do without

        return np.asarray(softmax(self.logits.astype(np.float64), axis=1))

    @cached_property
    def decisions(self) -> npt.NDArray[np.int64]:
        """(n,) index of the largest logit; the first of equals."""
        return np.asarray(self.logits.argmax(axis=1))

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """(n,) probability of each decision: the exponential of its log-softmax."""
        sure = np.empty(len(self))
        for start in range(0, len(self), BLOCK):
            logits = self.logits[start : start + BLOCK].astype(np.float64)
            sure[start : start + BLOCK] = -np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1))
        return np.exp(sure)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Predictions":
        """Some of the rows: their numbers, or (n,) whether each is meant."""
        return Predictions(**{name: getattr(self, name)[rows] for name in SCHEMA.names})

    def save(self, path: Path) -> None:
        """Write `predictions/<split>.parquet`."""
        n, k = self.logits.shape
        rows = pa.ListArray.from_arrays(np.arange(0, n * k + 1, k, dtype=np.int32), self.logits.ravel())
        columns = {name: getattr(self, name) for name in SCHEMA.names} | {"logits": rows}
        pq.write_table(pa.table(columns, SCHEMA), path, compression="zstd")


def load(path: Path) -> Predictions:
    """Read a predictions file. Raises RunError when it is missing, damaged or of another shape."""
    try:
        table = pq.read_table(path).select(SCHEMA.names).cast(SCHEMA).combine_chunks()  # else to take a row copies all
        if any(column.null_count for column in table.columns):
            raise ValueError("cells are empty")
        return Predictions(
            id=pd.array(table["id"], dtype="str"),
            text_sha256=pd.array(table["text_sha256"], dtype="str"),
            label=table["label"].to_numpy().astype(np.int64),
            logits=_matrix(table["logits"].combine_chunks()),
            n_tokens=table["n_tokens"].to_numpy().astype(np.int64),
            truncated=table["truncated"].to_numpy(),
        )
    except FileNotFoundError:
        raise RunError(f"{_short(path)} is missing, so nothing can be shown of this split.") from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RunError(
            f"{_short(path)} is damaged ({type(error).__name__}): restore it from a copy or train again."
        ) from error


def shared(
    first: Predictions, second: Predictions, first_labels: Sequence[str], second_labels: Sequence[str]
) -> tuple[Predictions, Predictions]:
    """Both on the examples that both have, in one order that follows from the examples alone, with the first's labels.

    An example is the same with the same id and the same text; labels are matched by name, whatever their order. Raises
    RunError when the labels differ, no example is shared, or a shared one has two true labels.
    """
    _require_outputs((first, first_labels), (second, second_labels))
    _, rows, others = np.intersect1d(_keys(first), _keys(second), return_indices=True)
    if not len(rows):
        raise RunError(
            f"No example is shared: of {len(first):,} and {len(second):,}, none has the same id and the same text. "
            "Compare what was measured on the same data."
        )
    one, other = first.take(rows), second.take(others)
    if clash := int((np.array(first_labels)[one.label] != np.array(second_labels)[other.label]).sum()):
        raise RunError(
            f"{clash:,} of {len(rows):,} shared examples have different true labels: the data were labelled anew in "
            "between. Train both on the same data."
        )
    columns = [list(second_labels).index(name) for name in first_labels]
    return one, replace(other, label=one.label, logits=other.logits[:, columns])


def _require_outputs(*sides: tuple[Predictions, Sequence[str]]) -> None:
    """The same labels on both sides, one finite output for each."""
    (_, ours), (_, theirs) = sides
    if sorted(ours) != sorted(theirs):
        raise RunError(f"Their labels differ: {', '.join(ours)} on one side, {', '.join(theirs)} on the other.")
    for found, labels in sides:
        if found.logits.shape[1] != len(labels):
            raise RunError(
                f"Predictions with {found.logits.shape[1]} outputs are not of a model of {len(labels)} labels."
            )
        if broken := int((~np.isfinite(found.logits)).any(axis=1).sum()):
            raise RunError(
                f"{broken:,} of {len(found):,} predictions hold no numbers (NaN, infinity): the model is broken."
            )


def _keys(found: Predictions) -> npt.NDArray[np.str_]:
    return np.array([f"{text} {name}" for text, name in zip(found.text_sha256, found.id, strict=True)])


def _matrix(rows: pa.ListArray) -> npt.NDArray[np.float32]:
    """(n, k). Raises ValueError when there are no rows, or they are empty or of different lengths."""
    lengths = set(np.diff(rows.offsets).tolist())
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"rows of {len(lengths)} lengths")
    return np.asarray(rows.flatten().to_numpy().reshape(len(rows), -1).astype(np.float32))


def _short(path: Path) -> str:
    return "/".join(path.parts[-4:])
