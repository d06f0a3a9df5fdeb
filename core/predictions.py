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
        table = pa.table(
            {
                "id": pa.array(self.id, pa.string()),
                "text_sha256": pa.array(self.text_sha256, pa.string()),
                "label": pa.array(self.label, pa.int32()),
                "logits": pa.array(list(self.logits), pa.list_(pa.float32())),
                "n_tokens": pa.array(self.n_tokens, pa.int32()),
                "truncated": pa.array(self.truncated, pa.bool_()),
            }
        )
        pq.write_table(table, path, compression="zstd")


def load(path: Path) -> Predictions:
    """Read a predictions file. Raises RunError when it is missing, damaged or of another shape."""
    try:
        table = pq.read_table(path)
        flat = table["logits"].combine_chunks().flatten().to_numpy()
        return Predictions(
            id=_strings(table, "id"),
            text_sha256=_strings(table, "text_sha256"),
            label=table["label"].to_numpy().astype(np.int64),
            logits=flat.reshape(len(table), -1).astype(np.float32),
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


def _short(path: Path) -> str:
    return "/".join(path.parts[-4:])
