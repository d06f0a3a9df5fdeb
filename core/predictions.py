"""Per-example logits of a split: the table that every figure is derived from, in memory and as a parquet file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from core.errors import RunError

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


@dataclass(frozen=True)
class Predictions:
    """n examples, k labels; the rows are in the split's order."""

    id: npt.NDArray[np.str_]
    """(n,) names of the examples"""
    text_sha256: npt.NDArray[np.str_]
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
        return np.asarray(softmax(self.logits.astype(np.float64), axis=1))

    @cached_property
    def decisions(self) -> npt.NDArray[np.int64]:
        """(n,) index of the largest logit; the first of equals."""
        return np.asarray(self.logits.argmax(axis=1))

    def save(self, path: Path) -> None:
        """Write `predictions/<split>.parquet`."""
        columns = {name: getattr(self, name) for name in SCHEMA.names} | {"logits": list(self.logits)}
        pq.write_table(pa.table(columns, SCHEMA), path, compression="zstd")


def load(path: Path) -> Predictions:
    """Read a predictions file. Raises RunError when it is missing, damaged or of another shape."""
    try:
        table = pq.read_table(path).select(SCHEMA.names).cast(SCHEMA)
        return Predictions(
            id=_strings(table, "id"),
            text_sha256=_strings(table, "text_sha256"),
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


def _strings(table: pa.Table, column: str) -> npt.NDArray[np.str_]:
    return np.array(table[column].to_pylist(), dtype=np.str_)


def _matrix(rows: pa.ListArray) -> npt.NDArray[np.float32]:
    """(n, k). Raises ValueError when there are no rows, or they are empty or of different lengths."""
    lengths = set(np.diff(rows.offsets).tolist())
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"rows of {len(lengths)} lengths")
    return np.asarray(rows.flatten().to_numpy().reshape(len(rows), -1).astype(np.float32))


def _short(path: Path) -> str:
    return "/".join(path.parts[-4:])
