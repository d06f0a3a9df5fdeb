"""What was uploaded or pasted -> texts to read, and which rows are left out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import NamedTuple

from core import rows
from core.errors import InputError
from core.rows import Cells

MAX_ROWS = 100_000
MAX_TEXT = 1_000_000
"""Characters of one text."""
MAX_CHARACTERS = 500 * 10**6
"""Of all texts; in a parquet file, one that is repeated takes no room."""
LIMITS = f"At most {MAX_ROWS:,} rows and 50 MB; a larger file can be split. What you upload stays in your session."
PEEK = 200
"""Rows from which the columns are known."""
USUAL = ("text", "review", "review_text", "reviewtext", "content", "body", "comment")
"""How columns of reviews are called."""


class BadRow(NamedTuple):
    """A row that is left out."""

    number: int
    reason: str


@dataclass
class Reviews:
    """n texts, or pairs of texts, that can be read, and the rows that cannot."""

    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    pairs: list[str] | None = None
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Upload:
    """A file, or lines."""

    name: str
    kind: str
    """of rows.FORMATS"""
    content: bytes = field(repr=False)

    def columns(self) -> dict[str, float]:
        """The columns that hold texts, with their mean length, as far as the first rows show.

        Raises InputError where there are none, or the file is not what its name says.
        """
        lengths: dict[str, list[int]] = {}
        for _, row in islice(rows.FORMATS[self.kind].read(self.content, None), PEEK):
            for column, cell in row.items() if isinstance(row, Mapping) else ():
                if isinstance(cell, str) and column.isprintable():
                    lengths.setdefault(column, []).append(len(cell))
        if not lengths:
            raise InputError(f"{self.name}: none of its first {PEEK} rows holds a text.")
        return {column: sum(found) / len(found) for column, found in lengths.items()}

    def read(self, text: str, pair: str | None = None) -> Reviews:
        """The texts of a column, or the pairs of two. Raises InputError where there are none to read, or too many."""
        columns = [text] if pair is None else [text, pair]
        reviews = Reviews(pairs=None if pair is None else [])
        for number, row in islice(rows.FORMATS[self.kind].read(self.content, columns), MAX_ROWS + 1):
            _add(reviews, number, row, columns)
        if len(reviews) + len(reviews.bad) > MAX_ROWS:
            raise InputError(f"{self.name} has more than {MAX_ROWS:,} rows: split it, and read the parts one by one.")
        if sum(map(len, reviews.texts + (reviews.pairs or []))) > MAX_CHARACTERS:
            raise InputError(f"{self.name} has more than {MAX_CHARACTERS // 10**6} million characters: split it.")
        if not len(reviews):
            first = "".join(f" Row {bad.number:,}: {bad.reason}." for bad in reviews.bad[:1])
            raise InputError(f"{self.name} has no row that can be read.{first}")
        return reviews


def of_file(name: str, content: bytes) -> Upload:
    """An uploaded file. Raises InputError when its ending is unknown."""
    kind = PurePath(name).suffix.lower()
    if kind not in rows.FILES:
        raise InputError(f"{name}: the ending must be one of {', '.join(rows.FILES)}.")
    return Upload(name, kind, content)


def of_lines(text: str, pairs: bool = False) -> Upload:
    """Pasted lines, each a review; with `pairs`, two texts with a tab between them."""
    return Upload("What was pasted", "pairs" if pairs else "lines", text.encode("utf-8", "replace"))


def guess(columns: Mapping[str, float], named: Sequence[str], taken: str | None = None) -> int:
    """Which of `columns` (with their mean length) holds the texts: the first of `named`, else that with the longest.

    A column that is `taken` is none of them, unless there is no other.
    """
    free = [column for column in columns if column != taken] or list(columns)
    plain = {column.casefold(): column for column in reversed(free)}
    known = [plain[name.casefold()] for name in named if name.casefold() in plain]
    return list(columns).index(known[0] if known else max(free, key=columns.__getitem__))


def _add(reviews: Reviews, number: int, row: Cells | str, columns: Sequence[str]) -> None:
    if isinstance(row, str):
        reviews.bad.append(BadRow(number, row))
    elif problem := next(filter(None, (_problem(column, row.get(column)) for column in columns)), ""):
        reviews.bad.append(BadRow(number, problem))
    else:
        reviews.numbers.append(number)
        for texts, column in zip((reviews.texts, reviews.pairs), columns, strict=False):
            assert texts is not None  # there are pairs where there are two columns
            texts.append(_valid(row[column]))


def _valid(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can name half a character
        return text.encode("utf-8", "replace").decode()
    return text


def _problem(column: str, cell: object) -> str:
    """Why a cell is no text to read; empty if it is one."""
    if cell is None:
        return f"{column} is missing"
    if not isinstance(cell, str):
        return f"{column} is not text"
    if len(cell) > MAX_TEXT:
        return f"{column} has more than {MAX_TEXT:,} characters"
    return "" if cell.replace("\0", " ").strip() else f"{column} is empty"
