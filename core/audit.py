"""What could spoil a measurement: repeats, leaks between splits, contradicting labels, empty texts, balance.

Texts count as the same when they agree but for case and white space, and as nearly the same when their runs of five
words have a Jaccard similarity of 0.8 or more. All counts are of rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from core.data import Splits, fingerprint, hashes, normalised
from core.metrics import WITHOUT_LEAKS
from core.predictions import Predictions
from core.runs import Record

BETWEEN = (("train", "validation"), ("train", "test"), ("validation", "test"))
SHINGLE = 5
"""Words that are compared together."""
NEAR = 0.8
"""Jaccard similarity of the shingles' sets from which texts count as nearly the same."""
PERMUTATIONS, BANDS = 256, 32
"""Of MinHash: a pair at similarity 0.8 is found with probability 1 - (1 - 0.8^8)^32 = 0.997, at 0.9 always."""
CANDIDATES = 100
"""Earlier texts that one text is compared with at most; only texts from one mould have more, and are undercounted."""
Near = Mapping[str, set[str]]


def describe(splits: Splits, labels: tuple[str, ...]) -> dict[str, Any]:
    """What a run records of its data: rows and SHA-256 per split, and the audit."""
    rows = {name: {"rows": len(frame), "sha256": fingerprint(frame)} for name, frame in splits.items()}
    return {"splits": rows, "audit": audit(splits, labels)}


def audit(splits: Splits, labels: tuple[str, ...]) -> dict[str, Any]:
    """What there is to know, by split or by pair of splits ("train in test": rows of train).

    `duplicates`: rows that repeat an earlier one of their split; `leaks`: rows whose text stands in another split, too.
    `exact_…` count the very same texts only; `near_…` further texts, that are only nearly the same. `conflicts`: rows
    whose text has another label elsewhere in the split, or in the other one. `leaked` has ids, see `leaked_ids`.
    """
    same = {name: normalised(frame) for name, frame in splits.items()}
    exact = {name: pd.Series(hashes(frame)) for name, frame in splits.items()}
    near = near_pairs(dict.fromkeys(key for keys in same.values() for key in keys))
    return {
        "duplicates": _repeats(same),
        "leaks": _shared(same),
        "exact_duplicates": _repeats(exact),
        "exact_leaks": _shared(exact),
        "near_duplicates": {name: _near_repeats(keys, near) for name, keys in same.items()},
        "near_leaks": {_pair(one, other): _near_shared(same[one], same[other], near) for one, other in BETWEEN},
        "conflicts": _conflicts(splits, same),
        "empty": {name: _empty(frame) for name, frame in splits.items()},
        "balance": {name: _balance(frame["label"], labels) for name, frame in splits.items()},
        "leaked": leaked_ids(splits),
    }


def leaked_ids(splits: Splits) -> dict[str, list[str]]:
    """The ids of examples whose text was read before: of validation's in train; of test's in train or validation.

    Validation counts for test since it decides which checkpoint is kept.
    """
    before, leaked = set(normalised(splits["train"])), {}
    for name in ("validation", "test"):
        keys = normalised(splits[name])
        leaked[name] = splits[name].loc[keys.isin(before), "id"].tolist()
        before.update(keys)
    return leaked


def conflicting(splits: Splits) -> dict[str, "pd.Series[bool]"]:
    """By split, whether each row's text has another label elsewhere in the data, in whichever split."""
    keys = pd.concat({name: normalised(frame) for name, frame in splits.items()})
    labels = pd.concat({name: frame["label"] for name, frame in splits.items()})
    clash = labels.groupby(keys).transform("nunique") > 1
    return {name: clash[name] for name in splits}


def measured(record: Record) -> dict[str, Predictions]:
    """The predictions that the figures in metrics.json follow from: each split's, and those without leaked texts.

    Raises RunError when they are missing or damaged.
    """
    found = {name: record.predictions(name) for name in ("validation", "test")}
    leaked = record.data["audit"].get("leaked", {}).get("test", [])
    kept = ~pd.Index(found["test"].id).isin(leaked)
    if kept.any() and not kept.all():
        found[WITHOUT_LEAKS] = found["test"].take(kept)
    return found


def near_pairs(texts: Iterable[str]) -> Near:
    """For each of some different texts that has any, those that are nearly the same.

    MinHash with locality-sensitive hashing finds candidates, whose similarity is then computed: A. Broder, On the
    Resemblance and Containment of Documents, 1997.
    """
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(NEAR, PERMUTATIONS, BANDS)
    near: dict[str, set[str]] = defaultdict(set)
    known: list[str] = []
    for text in texts:
        shingles = _shingles(text)
        sketch = RMinHash(PERMUTATIONS, seed=0)
        sketch.update(list(shingles))
        for number in sorted(index.query(sketch))[:CANDIDATES]:
            if _jaccard(shingles, _shingles(known[number])) >= NEAR:
                near[text].add(known[number])
                near[known[number]].add(text)
        index.insert(len(known), sketch)
        known.append(text)
    return near


def _shingles(text: str) -> set[str]:
    """Its runs of five words; a shorter text is one run. The border between the texts of a pair is a word."""
    words = text.replace("\0", " \0 ").split(" ")
    return {" ".join(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def _pair(one: str, other: str) -> str:
    return f"{one} in {other}"


def _repeats(keys: Mapping[str, "pd.Series[str]"]) -> dict[str, int]:
    return {name: int(found.duplicated().sum()) for name, found in keys.items()}


def _shared(keys: Mapping[str, "pd.Series[str]"]) -> dict[str, int]:
    return {_pair(one, other): int(keys[one].isin(keys[other]).sum()) for one, other in BETWEEN}


def _near_repeats(keys: "pd.Series[str]", near: Near) -> int:
    """Rows that nearly repeat an earlier one and do not repeat one."""
    earlier: set[str] = set()
    count = 0
    for key in dict.fromkeys(keys):
        count += not earlier.isdisjoint(near.get(key, ()))
        earlier.add(key)
    return count


def _near_shared(one: "pd.Series[str]", other: "pd.Series[str]", near: Near) -> int:
    """Rows of `one` that nearly stand in `other` and do not stand there."""
    there = set(other)
    return sum(key not in there and not there.isdisjoint(near.get(key, ())) for key in one)


def _conflicts(splits: Splits, same: Mapping[str, "pd.Series[str]"]) -> dict[str, int]:
    labels = {name: splits[name]["label"].groupby(keys.to_numpy()).agg(set).to_dict() for name, keys in same.items()}
    rows = {name: list(zip(same[name], splits[name]["label"], strict=True)) for name in splits}
    within = {name: sum(len(labels[name][key]) > 1 for key, _ in rows[name]) for name in splits}
    return within | {
        _pair(one, other): sum(bool(labels[other].get(key, set()) - {label}) for key, label in rows[one])
        for one, other in BETWEEN
    }


def _empty(frame: pd.DataFrame) -> int:
    """Rows with a text of white space alone, or none."""
    columns = [frame[name] for name in ("text", "text_pair") if name in frame]
    return sum(not all(text.strip() for text in texts) for texts in zip(*columns, strict=True))


def _balance(indices: "pd.Series[int]", labels: tuple[str, ...]) -> dict[str, int]:
    counts = indices.value_counts()
    return {name: int(counts.get(index, 0)) for index, name in enumerate(labels)}
