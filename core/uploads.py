"""What was uploaded or pasted, or lies in a file -> texts to read, and which rows are left out and why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core import rows
from core.errors import InputError
from core.rows import Cells, Row

MAX_ROWS = 100_000
MAX_TEXT = 1_000_000
"""Characters of one text."""
MAX_CHARACTERS = 500 * 10**6
"""Of all texts; in a parquet file, one that is repeated takes no room."""
MAX_UNPACKED = 500 * 10**6
"""Of an uploaded parquet file, in bytes: ten times the largest upload."""
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
    open: Callable[[], BinaryIO] = field(repr=False)

    def columns(self) -> dict[str, float]:
        """The columns that hold texts, with their mean length, as far as the first rows show.

        Raises InputError where there are none, or the file is not what its name says.
        """
        lengths: dict[str, list[int]] = {}
        for _, row in islice(self._rows(None), PEEK):
            for column, cell in row.items() if isinstance(row, Mapping) else ():
                if isinstance(cell, str) and column.isprintable():
                    lengths.setdefault(column, []).append(len(cell))
        if not lengths:
            raise InputError(f"{self.name}: none of its first {PEEK} rows holds a text.")
        return {column: sum(found) / len(found) for column, found in lengths.items()}

    def read(self, text: str, pair: str | None = None) -> Reviews:
        """The texts of a column, or the pairs of two. Raises InputError where there are none to read, or too many."""
        reviews = next(self.chunks(text, pair, MAX_ROWS + 1), Reviews())
        if len(reviews) + len(reviews.bad) > MAX_ROWS:
            raise InputError(f"{self.name} has more than {MAX_ROWS:,} rows: split it, and read the parts one by one.")
        if sum(map(len, reviews.texts + (reviews.pairs or []))) > MAX_CHARACTERS:
            raise InputError(f"{self.name} has more than {MAX_CHARACTERS // 10**6} million characters: split it.")
        if not len(reviews):
            first = "".join(f" Row {bad.number:,}: {bad.reason}." for bad in reviews.bad[:1])
            raise InputError(f"{self.name} has no row that can be read.{first}")
        return reviews

    def chunks(self, text: str, pair: str | None, size: int, skipped: int = 0) -> Iterator[Reviews]:
        """`read`, so many rows at a time and however many, after those that are skipped."""
        columns = [text] if pair is None else [text, pair]
        found = islice(self._rows(columns), skipped, None)
        while some := list(islice(found, size)):
            yield _reviews(some, columns)

    def _rows(self, columns: Sequence[str] | None) -> Iterator[Row]:
        with self.open() as file:
            yield from rows.FORMATS[self.kind].read(file, columns)


def of_path(path: Path) -> Upload:
    """A file on this machine, however large. Raises InputError when its ending is unknown, or it is not there."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    return _of_kind(path.name, lambda: path.open("rb"))


def of_file(name: str, content: bytes) -> Upload:
    """An uploaded file. Raises InputError when its ending is unknown, or it would unpack to too much."""
    if _unpacked(content) > MAX_UNPACKED:
        raise InputError(f"{name} unpacks to more than {MAX_UNPACKED // 10**6} MB: split it.")
    return _of_kind(name, lambda: BytesIO(content))


def of_lines(text: str, pairs: bool = False) -> Upload:
    """Pasted lines, each a review; with `pairs`, two texts with a tab between them."""
    content = text.encode("utf-8", "replace")
    return Upload("What was pasted", "pairs" if pairs else "lines", lambda: BytesIO(content))


def guess(columns: Mapping[str, float], named: Sequence[str], taken: str | None = None) -> int:
    """Which of `columns` (with their mean length) holds the texts: the first of `named`, else that with the longest.

    A column that is `taken` is none of them, unless there is no other.
    """
    free = [column for column in columns if column != taken] or list(columns)
    plain = {column.casefold(): column for column in reversed(free)}
    known = [plain[name.casefold()] for name in named if name.casefold() in plain]
    return list(columns).index(known[0] if known else max(free, key=columns.__getitem__))


def _unpacked(content: bytes) -> int:
    """What a parquet file comes to in memory, in bytes; 0 for what is none."""
    try:
        found = pq.ParquetFile(BytesIO(content)).metadata
    except (OSError, pa.ArrowException):
        return 0  # if it should be one, whoever reads it says so
    return sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))


def _of_kind(name: str, opened: Callable[[], BinaryIO]) -> Upload:
    kind = PurePath(name).suffix.lower()
    if kind not in rows.FILES:
        raise InputError(f"{name}: the ending must be one of {', '.join(rows.FILES)}.")
    return Upload(name, kind, opened)


def _reviews(found: Sequence[Row], columns: Sequence[str]) -> Reviews:
    reviews = Reviews(pairs=None if len(columns) == 1 else [])
    for number, row in found:
        _add(reviews, number, row, columns)
    return reviews


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
