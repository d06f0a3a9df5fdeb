"""Recipe -> splits: texts with labels, their fingerprints and hashes.

A split is a data frame with columns `id` (str), `text` (str), `text_pair` (str, for pairs only), `label` (int, the
index in the recipe's labels), and those that the recipe groups examples by (str, empty where there is nothing).
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from core import sources
from core.errors import DataError
from core.recipe import Data, Recipe

log = logging.getLogger("verdict")

SPLITS = ("train", "validation", "test")
Splits = dict[str, pd.DataFrame]


def load_splits(recipe: Recipe) -> Splits:
    """All three splits of the recipe's data, each in the source's order, no row in two of them.

    A share is carved from the rows that `train` names, test first; labels keep their shares, and texts that are the
    same but for case and white space stay together. Raises DataError saying what is wrong, and where; HubError where
    the source is a data set on the Hub that cannot be had.
    """
    source = recipe.data
    _require_apart(source)
    table = sources.read(source, recipe.labels)
    used = np.logical_or.reduce([table[sources.SPLIT] == split for split in sources.needed(source)])
    origin = table.loc[used, sources.SPLIT]
    _require_splits(set(origin), source)
    splits = _divide(_examples(table, used, source, recipe.labels), origin, source)
    if source.leaks == "drop":
        splits["train"] = _without_leaks(splits)
    _require_examples(splits, source)
    splits = {name: _limited(frame, source).reset_index(drop=True) for name, frame in splits.items()}
    _require_two_labels(splits["train"], source)
    return splits


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


def normalised(frame: pd.DataFrame) -> "pd.Series[str]":
    """Each row's text, or both of a pair, such that texts which agree but for case and white space are the same."""
    columns = [frame[name] for name in ("text", "text_pair") if name in frame]
    keys = ["\0".join(" ".join(text.casefold().split()) for text in texts) for texts in zip(*columns, strict=True)]
    return pd.Series(keys, index=frame.index, dtype=object)


def _require_apart(source: Data) -> None:
    """Selection, report and training must not share rows; nor can more be carved than there is."""
    validation, test = source.validation, source.test
    if isinstance(validation, str) and validation == test:
        raise DataError(
            f"data.validation and data.test are both {test}: choosing a checkpoint and reporting it on the same rows "
            "flatters the report. Carve validation from training, for example data.validation = 0.1."
        )
    for key, split in (("validation", validation), ("test", test)):
        if split in source.train:
            raise DataError(f"data.{key} is {split}, which data.train has too: what is trained on measures nothing.")
    if isinstance(validation, float) and isinstance(test, float) and validation + test >= 1:
        raise DataError(f"data.validation = {validation} and data.test = {test} leave nothing to train on.")


def _require_splits(there: set[str], source: Data) -> None:
    if absent := [split for split in sources.needed(source) if split not in there]:
        column = f"column {source.split} has no row that says" if source.file and source.split else "it has no split"
        raise DataError(
            f"{sources.name(source)}: {column} {' or '.join(absent)}. data.train, data.validation and data.test name "
            "the source's splits; validation and test may also be shares of training, for example 0.1."
        )


def _require_examples(splits: Splits, source: Data) -> None:
    if empty := [name for name, frame in splits.items() if frame.empty]:
        sizes = ", ".join(f"{len(frame)} {name}" for name, frame in splits.items())
        raise DataError(
            f"{sources.name(source)} leaves no example for {' and '.join(empty)} ({sizes}). "
            "Change data.validation, data.test or data.leaks."
        )


def _require_two_labels(train: pd.DataFrame, source: Data) -> None:
    if train["label"].nunique() < 2:
        raise DataError(
            f"{sources.name(source)}: all training examples have the same label, so there is nothing to learn. "
            "See that data.label names the right column, or raise data.limit."
        )


def _examples(table: pd.DataFrame, used: Any, source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """The rows that are used, as examples; their index is still the source's."""
    ids = table[source.id] if source.id in table.columns else pd.RangeIndex(len(table)).to_series()
    ids, table = ids[used], table[used]
    columns: Mapping[str, Iterable[Any]] = {
        "id": ids.astype(str).array,
        "text": _strings(table, source.text),
        **({"text_pair": _strings(table, source.text_pair)} if source.text_pair else {}),
        "label": _label_indices(table[source.label], labels),
        **{column: ["" if pd.isna(value) else str(value) for value in table[column]] for column in source.slices},
    }
    examples = pd.DataFrame(columns, index=table.index)
    if examples["id"].duplicated().any():
        twice = examples["id"][examples["id"].duplicated()].iloc[0]
        raise DataError(
            f"{sources.name(source)}: column {source.id} must name each example once; {twice} stands twice. "
            'data.id = "" numbers the rows instead.'
        )
    return examples


def _strings(table: pd.DataFrame, column: str) -> list[str]:
    if (missing := table[column].isna()).any():
        raise DataError(f"Column {column} has no text in row {int(str(missing.idxmax())) + 1}.")
    return [str(value) for value in table[column]]


def _label_indices(values: "pd.Series[Any]", labels: tuple[str, ...]) -> list[int]:
    """Each value's place in `labels`; a name counts before an index, whether written as a number or as text."""
    known = {str(index): index for index in range(len(labels))} | {name: index for index, name in enumerate(labels)}
    # Only words and whole numbers are labels: nothing (None, NaN) must not pass for a label called "None" or "nan".
    found = [known.get(str(value)) if isinstance(value, str | Integral) else None for value in values]
    if unknown := sorted({str(value) for value, index in zip(values, found, strict=True) if index is None}):
        raise DataError(f"Labels that the recipe does not know: {', '.join(unknown[:5])}. It has {', '.join(labels)}.")
    return [index for index in found if index is not None]


def _divide(examples: pd.DataFrame, origin: "pd.Series[str]", source: Data) -> Splits:
    """The three splits, each named in the source or carved from its rows for training."""
    named = {"validation": source.validation, "test": source.test}
    shares = {name: named[name] for name in ("test", "validation") if isinstance(named[name], float)}
    splits = _carve(examples[origin.isin(source.train)], shares, source.seed)
    splits |= {name: examples[origin == split] for name, split in named.items() if name not in shares}
    return {name: splits[name] for name in SPLITS}


def _carve(rows: pd.DataFrame, shares: Mapping[str, Any], seed: int) -> Splits:
    """The rows by split: those in `shares`, each with so many of all rows, and `train` with what is left."""
    if not shares:
        return {"train": rows}
    places, begin, splits = _places(normalised(rows), rows["label"], seed), 0, {}
    for name, share in shares.items():
        end = begin + round(share * len(rows))
        splits[name] = rows[(places >= begin) & (places < end)]
        begin = end
    return splits | {"train": rows[places >= begin]}


def _places(keys: "pd.Series[str]", labels: "pd.Series[int]", seed: int) -> "pd.Series[int]":
    """Where each row stands in a random order (n,): any stretch of it has the labels in the shares they have in all.

    Rows of one key stand at one place, that of the first of them, so that a cut never parts them; they count for the
    first one's label. The order follows from seed, keys and labels alone, whatever the machine, the libraries and the
    order of the rows: keys are ordered by their hashes, and each label's keys are then spread evenly. scikit-learn's
    splitters take either groups or shares, and their draws may change between versions.
    """
    groups = pd.DataFrame({"key": keys, "label": labels}).groupby("key", sort=False)["label"].agg(["first", "size"])
    groups["hash"] = [text_sha256(str(seed), str(key)) for key in groups.index]
    groups = groups.sort_values("hash")
    size = groups["size"].groupby(groups["first"])
    groups["reached"] = (size.cumsum() - groups["size"] / 2) / size.transform("sum")  # of the label's rows, 0 to 1
    groups = groups.sort_values("reached", kind="stable")
    return keys.map(groups["size"].cumsum() - groups["size"])


def _without_leaks(splits: Splits) -> pd.DataFrame:
    """The training rows whose text is not measured on."""
    train = splits["train"]
    measured = pd.concat([normalised(splits["validation"]), normalised(splits["test"])])
    kept = train[~normalised(train).isin(measured)]
    log.info("Dropped %d training texts that stand in validation or test", len(train) - len(kept))
    return kept


def _limited(frame: pd.DataFrame, source: Data) -> pd.DataFrame:
    """A sample of `data.limit` rows, labels in their shares; a larger sample holds the smaller ones."""
    if not source.limit:
        return frame
    return frame[_places(frame["id"], frame["label"], source.seed) < source.limit]
