"""Files of reviews -> rows, one function a format. A row that cannot be read says why, and the next one is read."""

import csv
import io
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError

Cells = Mapping[str, Any]
Row = tuple[int, Cells | str]
"""A row's number, and its cells by column, or why it cannot be read."""

TEXT, PAIR = "text", "second text"
"""The columns of lines."""
_DELIMITERS = ",;\t"
_BLANK = "empty line"
_UNMATCHED = "quotation marks that do not match"
_NO_UTF8 = "bytes that are not UTF-8"
_ESCAPED = re.compile("[\udc80-\udcff]")
"""What becomes of bytes that are not UTF-8."""


class Format(NamedTuple):
    """A kind of file."""

    read: Callable[[BinaryIO, Sequence[str] | None], Iterator[Row]]
    """its rows: of these columns, or of all that may hold texts; raises InputError where it is no such file

    Of a large file, no more than a part is in memory at a time.
    """
    numbers: str
    """how its rows are numbered"""


def _csv(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[Row]:
    lines = _Lines(_decoded(file, newline=""))
    first = next(lines, "")
    lines.give_back([first])
    table = csv.reader(lines, delimiter=max(_DELIMITERS, key=first.count), strict=True)
    try:
        heading = _unique(next(table, []))
    except csv.Error as error:
        raise InputError(f"The first row, which names the columns, cannot be read as CSV: {error}.") from None
    for number in count(2):
        lines.taken.clear()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error:  # whatever went into this row: its second line may begin a row that is whole
            lines.give_back(lines.taken[1:])
            yield number, _UNMATCHED
        else:
            yield number, _named(cells, heading, columns)


class _Lines(Iterator[str]):
    """Lines that can be given back, to be read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._given_back: deque[str] = deque()
        self.taken: list[str] = []

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self.taken.append(line)
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._given_back.extendleft(reversed(lines))


def _unique(heading: Sequence[str]) -> list[str]:
    """Names of columns, each once; those that have none are numbered."""
    names: dict[str, None] = {}
    for number, cell in enumerate(heading, start=1):
        name = cell.strip() or f"column {number}"
        names[name if name not in names else f"{name} (column {number})"] = None
    return list(names)


def _named(cells: Sequence[str], heading: Sequence[str], columns: Sequence[str] | None) -> Cells | str:
    if not cells:
        return _BLANK
    if len(cells) != len(heading):
        return f"{len(cells)} cell{'s' * (len(cells) > 1)} where the heading has {len(heading)}"
    named = dict(zip(heading, cells, strict=True))
    wanted = named if columns is None else {column: named.get(column) for column in columns}
    return _NO_UTF8 if _ESCAPED.search("".join(cell or "" for cell in wanted.values())) else wanted


def _json_lines(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[Row]:
    for number, line in enumerate(_decoded(file, newline="\n"), start=1):
        yield number, _object(line, columns)


def _object(line: str, columns: Sequence[str] | None) -> Cells | str:
    if not line.strip():
        return _BLANK
    if _ESCAPED.search(line):
        return _NO_UTF8
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(found, dict):
        return "no JSON object"
    return found if columns is None else {column: found.get(column) for column in columns}


def _parquet(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[Row]:
    try:
        schema = pq.read_schema(file)
        texts = [each.name for each in schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
        # A long text that is often repeated stands there once, and so it does here.
        table = pq.ParquetFile(file, read_dictionary=texts)
        numbers = count(1)
        for batch in table.iter_batches(batch_size=1000, columns=texts if columns is None else list(columns)):
            for cells in zip(*map(_values, batch.columns), strict=True):
                yield next(numbers), dict(zip(batch.schema.names, cells, strict=True))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"This file cannot be read as parquet: {error}") from None


def _values(column: pa.Array) -> list[Any]:
    if not isinstance(column, pa.DictionaryArray):
        return list(column.to_pylist())
    known = column.dictionary.to_pylist()
    return [None if index is None else known[index] for index in column.indices.to_pylist()]


def _lines(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[Row]:
    for number, line in enumerate(_decoded(file, newline="\n"), start=1):
        if line.strip():
            yield number, {TEXT: line.strip()}


def _pairs(file: BinaryIO, columns: Sequence[str] | None) -> Iterator[Row]:
    for number, line in enumerate(_decoded(file, newline="\n"), start=1):
        if line.strip():
            text, tab, pair = line.rstrip("\r\n").partition("\t")
            yield number, {TEXT: text, PAIR: pair} if tab else "no tab between two texts"


def _decoded(file: BinaryIO, newline: str) -> Iterator[str]:
    """The file's lines; empty ones at its end are no rows."""
    marked = file.read(2) in (b"\xff\xfe", b"\xfe\xff")  # as spreadsheets save "Unicode text"
    file.seek(0)
    how = ("utf-16", "replace") if marked else ("utf-8-sig", "surrogateescape")
    lines, empty = io.TextIOWrapper(file, *how, newline=newline), list[str]()
    try:
        for line in lines:
            if line.strip("\r\n"):
                yield from empty
                empty.clear()
                yield line
            else:
                empty.append(line)
    finally:
        lines.detach()  # whoever opened the file closes it


def estimate(file: BinaryIO, kind: str) -> int:
    """About how many rows a file has: exact for parquet, else its lines. Raises InputError where it is no such file."""
    if kind == ".parquet":
        try:
            return int(pq.ParquetFile(file).metadata.num_rows)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"This file cannot be read as parquet: {error}") from None
    return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


_BY_LINE = "Rows are numbered by line."
FORMATS = {
    ".csv": Format(_csv, "Rows are numbered as a spreadsheet does: the heading is row 1."),
    ".jsonl": Format(_json_lines, _BY_LINE),
    ".ndjson": Format(_json_lines, _BY_LINE),
    ".parquet": Format(_parquet, "Rows are numbered from 1."),
    "lines": Format(_lines, _BY_LINE),
    "pairs": Format(_pairs, _BY_LINE),
}
FILES = [kind for kind in FORMATS if kind.startswith(".")]
