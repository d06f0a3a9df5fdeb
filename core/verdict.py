"""Two records of the same examples -> a verdict, with its evidence. Pure.

identical          same bytes, same predictions
drift              numbers differ, no decision does
decisions changed  some decisions flip, but the exact McNemar test cannot tell the two apart
different          the test can
unverifiable       something is missing or does not fit; it is named

It serves any two sides: a run and its publication, two revisions, two backends, two runs. What changes is seen from the
first: a flip is won where the second is right and the first is not.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from core import paired, predictions
from core import recipe as recipes
from core.errors import WRONG_SHAPE, VerdictError
from core.paired import ALPHA, Paired
from core.predictions import Predictions
from core.runs import Record

Hashes = Mapping[str, tuple[str | None, str | None]]
"""A file's path -> its SHA-256 on both sides, None where it is missing."""

_AVERAGING = re.compile(r"_(macro|micro|weighted|samples|positive|binary)$")


class Kind(StrEnum):
    """What a comparison concludes."""

    IDENTICAL = "identical"
    DRIFT = "drift"
    DECISIONS_CHANGED = "decisions changed"
    DIFFERENT = "different"
    UNVERIFIABLE = "unverifiable"

    @property
    def good(self) -> bool:
        """Whether both sides decide alike, on every example."""
        return self in (Kind.IDENTICAL, Kind.DRIFT)


@dataclass(frozen=True)
class FilePair:
    """A file's SHA-256 on both sides, None where it is missing."""

    path: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class Verdict:
    """A conclusion and what it rests on."""

    kind: Kind
    sentence: str
    evidence: Paired | None = None
    """None for `unverifiable`"""
    files: tuple[FilePair, ...] = ()
    """those that were compared; none for two backends of one model"""

    def to_json(self) -> dict[str, Any]:
        """As stored in verifications: kind, sentence, files, and the evidence's own keys; no metrics without any."""
        figures = asdict(self.evidence) if self.evidence else {"n": 0, "metrics": ()}
        files = [asdict(each) for each in self.files]
        return {"kind": self.kind.value, "sentence": self.sentence, "files": files} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in figures.items()
        }


def unverifiable(reason: str) -> Verdict:
    """No comparison was possible, because of `reason` (a sentence)."""
    return Verdict(Kind.UNVERIFIABLE, reason)


def between(first: Record, second: Record, split: str = "test") -> Verdict:
    """The verdict on two records, from what they store of a split and what they state of their model's files."""

    def conclude() -> Verdict:
        if reason := _other_data(first, second, split) or _other_averaging(first, second, split):
            return unverifiable(reason)
        stored = first.predictions(split), second.predictions(split)
        return compare(*stored, first.labels, second.labels, _stated(first, second))

    return concluding(conclude)


def compare(
    first: Predictions,
    second: Predictions,
    first_labels: Sequence[str],
    second_labels: Sequence[str],
    files: Hashes = MappingProxyType({}),
) -> Verdict:
    """The verdict on two sets of predictions; labels are matched by name, examples by id and text.

    Without `files` (two backends) it is never `identical`, since nothing is known of the bytes.
    """
    try:
        one, other = predictions.shared(first, second, first_labels, second_labels)
    except VerdictError as error:
        return unverifiable(str(error))
    if not len(one) == len(first) == len(second):
        return unverifiable(
            f"The examples differ: of {len(first):,} and {len(second):,}, {len(one):,} are shared, "
            "with the same id and the same text."
        )
    found = paired.compare(one, other, first_labels)
    pairs = tuple(FilePair(path, *hashes) for path, hashes in sorted(files.items()))
    kind = _kind(found, np.array_equal(one.logits, other.logits), pairs)
    return Verdict(kind, _sentence(kind, found, pairs), found, pairs)


def concluding(conclude: Callable[[], Verdict]) -> Verdict:
    """What `conclude` returns; whatever is wrong on the way makes it `unverifiable`, with the error as reason."""
    try:
        return conclude()
    except VerdictError as error:
        return unverifiable(str(error))
    except WRONG_SHAPE as error:
        # A record holds whatever its author put there: JSON of any shape, tables of any column, weights of any size.
        return unverifiable(
            f"A file does not hold what Verdict writes there, so it proves nothing: {type(error).__name__}, {error}."
        )


def _other_data(first: Record, second: Record, split: str) -> str:
    """Why the split is not the same data on both sides; nothing where it is, or where the examples must tell.

    A fingerprint holds the labels' indices, so that the same data has another one where labels are in another order.
    """
    ours, theirs = (each.data["splits"][split]["sha256"] for each in (first, second))
    if ours == theirs or first.labels != second.labels:
        return ""
    keys = [key for key in recipes.differences(first.recipe, second.recipe) if key.startswith("data.")]
    told = f"; their recipes differ in {', '.join(keys)}" if keys else ""
    return f"They were measured on different data: the fingerprints of {split} are {ours[:7]} and {theirs[:7]}{told}."


def _other_averaging(first: Record, second: Record, split: str) -> str:
    """Why the figures that two records state do not mean the same; nothing where they do."""
    ours, theirs = (_averagings(each.metrics["splits"][split]) for each in (first, second))
    for family in sorted(ours.keys() & theirs.keys()):
        if ours[family] != theirs[family]:
            one, other = (", ".join(sorted(each[family])) for each in (ours, theirs))
            return f"Their figures are averaged differently: {one} on one side, {other} on the other."
    return ""


def _averagings(split: Mapping[str, Any]) -> dict[str, set[str]]:
    """The names of a split's metrics by what they are called without their averaging: f1 -> f1_macro, f1_weighted."""
    found = defaultdict(set)
    for name in [name for name, entry in split.items() if isinstance(entry, Mapping)]:
        found[_AVERAGING.sub("", name)].add(name)
    return found


def _stated(first: Record, second: Record) -> Hashes:
    """The hashes of the model's files, as both records state them."""
    ours, theirs = (each.metrics.get("sha256", {}) for each in (first, second))
    names = [name for name in ours | theirs if name.startswith("model/")]
    return {name: (ours.get(name), theirs.get(name)) for name in names}


def _kind(found: Paired, same_logits: bool, files: Sequence[FilePair]) -> Kind:
    if found.flips == 0:
        return Kind.IDENTICAL if same_logits and files and not _changed(files) else Kind.DRIFT
    return Kind.DIFFERENT if found.p_value <= ALPHA else Kind.DECISIONS_CHANGED


def _changed(files: Sequence[FilePair]) -> int:
    return sum(each.first is None or each.first != each.second for each in files)


def _sentence(kind: Kind, found: Paired, files: Sequence[FilePair]) -> str:
    n, flips = f"{found.n:,}", f"{found.flips:,} of {found.n:,} decisions changed, {found.won:,} for the better and "
    flips += f"{found.lost:,} for the worse"
    bytes_ = f" and {_of_files(files)}" if files else ""
    return {
        Kind.IDENTICAL: f"Every file is the same, and so are all {n} predictions.",
        Kind.DRIFT: f"All {n} decisions agree{bytes_}; no probability moved by more than "
        f"{found.max_probability_change:.2g}.",
        Kind.DECISIONS_CHANGED: f"{flips}, which chance can explain (p = {found.p_value:.2g}).",
        Kind.DIFFERENT: f"{flips}, more than chance explains (p = {found.p_value:.2g}).",
    }[kind]


def _of_files(files: Sequence[FilePair]) -> str:
    changed = _changed(files)
    return f"{changed:,} of {len(files):,} files are not the same" if changed else "every file is the same"
