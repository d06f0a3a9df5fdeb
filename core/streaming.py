"""Texts from gzipped JSON lines on the web, one file a label: a seeded sample, drawn while the file passes by.

A file is never held whole, on disk or in memory: it is unpacked as it arrives, and the transfer ends with the last row
that is wanted. What was drawn from each file is cached under HF_HOME, so that a file is read once.
"""

import gzip
import hashlib
import io
import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import constants

from core.errors import DataError
from core.files import write_atomically
from core.recipe import Data
from core.transfer import StartAgainError, Transfer

LONGEST_LINE = 2**20
"""Bytes: a longer line counts as damaged, and is passed over without being held."""
STARTS = 3
"""How often a file is begun whose broken transfer could not go on."""
ID = "id"
"""The one column of ids that rows may lack: they are numbered then."""
_METHOD = "algorithm-r/1"
"""Part of a cached sample's name: a sample that was drawn in another way is not this one."""
_ORIGIN = b"verdict"
log = logging.getLogger("verdict")


def read(source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """The sampled rows of every label's file: labels in their order, rows in their file's order.

    Columns are named as in `source`: its id (`id` if it names none), text, text_pair for pairs, and label, which holds
    the label's name. One review can stand in two labels' files, so an id is `label/id`; where rows need none, `label/n`
    for the n-th of the file.
    Raises DataError, naming the label and the address, where a file cannot be had or most of it cannot be used.
    """
    frames = [
        _sample(source, label).to_pandas(ignore_metadata=True).assign(**{source.label: label}) for label in labels
    ]
    rows: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return rows


def origins(source: Data, labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """By label, what `read` took its rows from.

    `address`, `etag` and `last_modified` (empty where the server names none); of the file's rows, how many were `read`,
    `damaged` or `lacking` a text or an id; of those drawn, how many `repeated` another's id and how many were `kept`.
    """
    return {label: json.loads(_sample(source, label).schema.metadata[_ORIGIN]) for label in labels}


def cache_path(source: Data, label: str) -> Path:
    """Where the sample of one label is kept: a name for everything that it depends on."""
    columns = [source.id, source.text, source.text_pair]
    parts = [_METHOD, source.url, label, source.first, source.sample, source.seed, columns]
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return Path(constants.HF_HOME) / "verdict" / "streams" / f"{name}.parquet"


def _sample(source: Data, label: str) -> pa.Table:
    """One label's rows, from the cache or else from the web."""
    path = cache_path(source, label)
    if (kept := _cached(path)) is not None:
        return kept
    try:
        drawn = _from_the_start(source, label)
    except DataError as error:
        raise DataError(f"The label {label} cannot be read. {error} What was read of other labels is kept.") from None
    try:
        write_atomically(path, lambda temporary: pq.write_table(drawn, temporary, write_page_checksum=True))
    except OSError as error:
        raise DataError(
            f"What was read cannot be kept in {path.parent}: {error}. HF_HOME names another place."
        ) from None
    return drawn


def _cached(path: Path) -> pa.Table | None:
    """A sample from the cache; None where there is none or its file is damaged, so that it is drawn anew."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
        json.loads(table.schema.metadata[_ORIGIN])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    return table


def _from_the_start(source: Data, label: str) -> pa.Table:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    again = Retrying(retry=retry_if_exception_type(StartAgainError), stop=stop_after_attempt(STARTS), reraise=True)
    return again(_stream, source, label)


def _stream(source: Data, label: str) -> pa.Table:
    """Read one label's file as far as it is wanted. Raises StartAgainError, or DataError naming the address."""
    from tqdm import tqdm

    transfer = Transfer(_address(source, label))
    drawn = _Reservoir(source, label, Random(f"{source.seed}/{label}"))
    bar = tqdm(desc=label, total=source.first or None, unit=" rows", disable=None)  # None: only on a terminal
    with closing(transfer.chunks()) as chunks, bar, gzip.GzipFile(fileobj=transfer.file(chunks)) as file:
        try:
            for line in islice(_lines(file), source.first or None):
                drawn.offer(line)
                bar.update()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{transfer.address} is not a whole gzip file: {error}.") from None
    drawn.finish(transfer.address)
    return drawn.table(address=transfer.address, etag=transfer.etag, last_modified=transfer.last_modified)


def _address(source: Data, label: str) -> str:
    return source.url.replace("{label}", quote(label, safe=""))


def _lines(file: io.BufferedIOBase) -> Iterator[bytes]:
    """The lines that are not empty; of one that is too long only its start, which is no whole JSON object."""
    while line := file.readline(LONGEST_LINE):
        end = line
        while end and not end.endswith(b"\n"):
            end = file.readline(LONGEST_LINE)
        if line.strip():
            yield line


@dataclass
class _Reservoir:
    """A simple random sample of rows whose number is not known beforehand, in the memory of the sample.

    Algorithm R: J. S. Vitter, Random Sampling with a Reservoir, ACM Transactions on Mathematical Software 11 (1985).
    Only `Random.random` is used, whose sequence Python keeps from version to version.
    """

    source: Data
    label: str
    random: Random
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    read: int = 0
    damaged: int = 0
    lacking: int = 0
    repeated: int = 0
    columns: list[str] = field(default_factory=list)
    """of the first row, for the message"""

    def offer(self, line: bytes) -> None:
        """Count a line, and keep its row if it is drawn."""
        self.read += 1
        try:
            record = json.loads(line.decode())
            if not isinstance(record, dict):
                raise ValueError("not an object")
            self.columns = self.columns or list(map(str, record))
            row = self._row(record)
            "".join(row).encode()  # half a character, as \ud83d alone, is no text
        except (ValueError, RecursionError):
            self.damaged += 1
            return
        if row:
            self._keep(row)
        else:
            self.lacking += 1

    def _row(self, record: dict[str, Any]) -> list[str]:
        """The id, the text and the second text for pairs; nothing where the record lacks one."""
        name = record.get(self.source.id)
        if name in (None, ""):
            name = self.read if self.source.id in ("", ID) else None
        texts = [record.get(column) for column in (self.source.text, self.source.text_pair) if column]
        whole = [text for text in texts if isinstance(text, str) and text.strip()]
        return [f"{self.label}/{name}", *whole] if name is not None and len(whole) == len(texts) else []

    def _keep(self, row: list[str]) -> None:
        usable = self.read - self.damaged - self.lacking
        if not self.source.sample or len(self.rows) < self.source.sample:
            self.rows.append((self.read, row))
        elif (place := int(self.random.random() * usable)) < self.source.sample:
            self.rows[place] = (self.read, row)

    def finish(self, address: str) -> None:
        """Put the rows in order, each id once. Raises DataError where most of the file cannot be used."""
        if not self.read:
            raise DataError(f"{address} is empty.")
        wanted = ", ".join(filter(None, (self.source.text, self.source.text_pair, self.source.id)))
        found = f"{self.damaged:,} damaged, {self.lacking:,} without one of {wanted}"
        if (self.damaged + self.lacking) * 2 > self.read:
            has = f" The first has {', '.join(self.columns)}." if self.columns else ""
            raise DataError(f"{address}: most of its {self.read:,} rows cannot be used: {found}.{has}")
        drawn = len(self.rows)
        self.rows = sorted({row[0]: (number, row) for number, row in sorted(self.rows, reverse=True)}.values())
        self.repeated = drawn - len(self.rows)
        if self.damaged or self.lacking or self.repeated:
            log.info("%s: of %d rows left out: %s; %d drawn twice.", self.label, self.read, found, self.repeated)

    def table(self, **origin: str) -> pa.Table:
        """The sample, with its origin as metadata."""
        names = [self.source.id or ID, *filter(None, (self.source.text, self.source.text_pair))]
        columns = {name: pa.array([row[n] for _, row in self.rows], pa.string()) for n, name in enumerate(names)}
        counts = {name: getattr(self, name) for name in ("read", "damaged", "lacking", "repeated")}
        origin_and_counts = json.dumps(origin | counts | {"kept": len(self.rows)})
        return pa.table(columns).replace_schema_metadata({_ORIGIN: origin_and_counts})
