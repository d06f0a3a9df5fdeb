"""Recipe -> splits: texts with labels, their fingerprints, and an audit of what could spoil a measurement.

A split is a data frame with columns `id` (str), `text` (str), `text_pair` (str, for pairs only) and `label` (int, the
index in the recipe's labels).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import DataError
from core.recipe import Data, Recipe

SPLITS = ("train", "validation", "test")
PROJECT = Path(__file__).resolve().parent.parent
ID = "id"
"""The one column of ids that may be absent: rows are numbered then."""
Splits = dict[str, pd.DataFrame]


def load_splits(recipe: Recipe) -> Splits:
    """All three splits of the recipe's data, in the file's order. Raises DataError saying what is wrong, and where."""
    source = recipe.data
    table = _read(source.file)
    wanted = [source.text, source.label, source.split, *filter(None, [source.text_pair])]
    wanted += [] if source.id in ("", ID) else [source.id]  # one that was asked for is never replaced by row numbers
    if missing := [column for column in wanted if column not in table.columns]:
        raise DataError(
            f"{source.file} has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}."
        )
    examples = _examples(table, source, recipe.labels)
    splits = {name: _take(examples, table[source.split] == name, source.limit) for name in SPLITS}
    _require_examples(splits, source)
    return splits


def read_parquet(path: Path) -> pd.DataFrame:
    """A parquet file, checked whole. Raises OSError, ValueError or pa.ArrowException where it is damaged."""
    table = pq.read_table(path)
    table.validate(full=True)  # pandas decodes texts only when they are looked at
    # What pandas noted for itself is not needed, and where it is damaged pandas raises anything.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def hashes(frame: pd.DataFrame) -> list[str]:
    """SHA-256 of each row's text or pair of texts: proof of what was read where the text itself may not be shown."""
    pairs = frame["text_pair"] if "text_pair" in frame else [""] * len(frame)
    return [text_sha256(text, pair) for text, pair in zip(frame["text"], pairs, strict=True)]


def text_sha256(text: str, pair: str = "") -> str:
    """SHA-256 of a text; of both joined by a NUL for a pair."""
    joined = f"{text}\0{pair}" if pair else text
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over ids, texts and labels in order: equal only for the same examples in the same order."""
    digest = hashlib.sha256()
    for row in zip(frame["id"], hashes(frame), frame["label"].tolist(), strict=True):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def describe(splits: Splits, labels: tuple[str, ...]) -> dict[str, Any]:
    """What a run records of its data: rows and SHA-256 per split, and the audit."""
    rows = {name: {"rows": len(frame), "sha256": fingerprint(frame)} for name, frame in splits.items()}
    return {"splits": rows, "audit": audit(splits, labels)}


def audit(splits: Splits, labels: tuple[str, ...]) -> dict[str, Any]:
    """Repeated texts within a split, texts shared by two splits, and class balance.

    Texts count as the same when they agree but for case and white space.
    """
    keys = {name: _normalised(frame) for name, frame in splits.items()}
    return {
        "duplicates": {name: int(key.duplicated().sum()) for name, key in keys.items()},
        "leaks": {
            f"{one} in {other}": int(keys[one].isin(keys[other]).sum())
            for one, other in (("train", "validation"), ("train", "test"), ("validation", "test"))
        },
        "balance": {name: _balance(frame["label"], labels) for name, frame in splits.items()},
    }


def _read(name: str) -> pd.DataFrame:
    path = next((p for p in (Path(name), PROJECT / name) if p.is_file()), None)
    if path is None:
        raise DataError(f"There is no data file {name}, neither in the working folder nor in the project.")
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": read_parquet,
        ".csv": _read_csv,
        ".jsonl": _read_lines,
    }
    if path.suffix not in readers:
        raise DataError(f"{name}: the ending must be one of {', '.join(readers)}.")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(f"{name} cannot be read as {path.suffix[1:]}: {error}") from None


def _read_csv(path: Path) -> pd.DataFrame:
    # 007 and NA are texts, too.
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _read_lines(path: Path) -> pd.DataFrame:
    # Dates and numbers in texts must stay as they were written.
    return pd.read_json(path, lines=True, dtype=False)


def _examples(table: pd.DataFrame, source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    ids = table[source.id] if source.id in table.columns else pd.RangeIndex(len(table)).to_series()
    columns: Mapping[str, Iterable[Any]] = {
        "id": ids.astype(str).array,
        "text": _strings(table, source.text),
        **({"text_pair": _strings(table, source.text_pair)} if source.text_pair else {}),
        "label": _label_indices(table[source.label], labels),
    }
    examples = pd.DataFrame(columns, index=table.index)
    if examples["id"].duplicated().any():
        twice = examples["id"][examples["id"].duplicated()].iloc[0]
        raise DataError(f"{source.file}: column {source.id} must name each example once; {twice} stands twice.")
    return examples


def _require_examples(splits: Splits, source: Data) -> None:
    if empty := [name for name, frame in splits.items() if frame.empty]:
        raise DataError(f"{source.file}: column {source.split} has no row that says {' or '.join(empty)}.")
    if splits["train"]["label"].nunique() < 2:
        raise DataError(
            f"{source.file}: all training examples have the same label, so there is nothing to learn. "
            "Sorted data must be shuffled, or data.limit be raised."
        )


def _strings(table: pd.DataFrame, column: str) -> list[str]:
    if (missing := table[column].isna()).any():
        raise DataError(f"Column {column} has no text in row {int(missing.argmax()) + 1}.")
    return [str(value) for value in table[column]]


def _label_indices(values: "pd.Series[Any]", labels: tuple[str, ...]) -> list[int]:
    """Each value's place in `labels`; a name counts before an index, whether written as a number or as text."""
    known = {str(index): index for index in range(len(labels))} | {name: index for index, name in enumerate(labels)}
    # Only words and whole numbers are labels: nothing (None, NaN) must not pass for a label called "None" or "nan".
    found = [known.get(str(value)) if isinstance(value, str | Integral) else None for value in values]
    if unknown := sorted({str(value) for value, index in zip(values, found, strict=True) if index is None}):
        raise DataError(f"Labels that the recipe does not know: {', '.join(unknown[:5])}. It has {', '.join(labels)}.")
    return [index for index in found if index is not None]


def _take(examples: pd.DataFrame, chosen: "pd.Series[bool]", limit: int) -> pd.DataFrame:
    frame = examples[chosen].reset_index(drop=True)
    return frame.head(limit) if limit else frame


def _normalised(frame: pd.DataFrame) -> "pd.Series[str]":
    key = frame["text"] + ("\0" + frame["text_pair"] if "text_pair" in frame else "")
    return key.str.casefold().str.split().str.join(" ")


def _balance(indices: "pd.Series[int]", labels: tuple[str, ...]) -> dict[str, int]:
    counts = indices.value_counts()
    return {name: int(counts.get(index, 0)) for index, name in enumerate(labels)}
