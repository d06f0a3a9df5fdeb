"""A file of reviews -> a parquet file of answers, in bounded memory, and on from where it was interrupted.

Rows are read some thousands at a time. Each lot is written to a folder beside the output, which is put together from
them at the end; what is there already is not read again.
"""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core import answers, calibration, fastest, hub, integrity, rows, runs, uploads
from core.backends import AUTO
from core.errors import InputError, NotOnHub
from core.files import write_atomically, write_json
from core.predictor import Predictor
from core.runs import Record
from core.uploads import Reviews, Upload

AT_ONCE = 8192
"""Rows: enough to find others of the same length."""
PROBLEM = "left out because"
"""The column that says why a row has no answer."""
log = logging.getLogger("verdict")

Progress = Callable[[int, int], object]
"""Called with (rows done, rows in all, as far as that is known)."""


@dataclass(frozen=True)
class Model:
    """What reads the texts."""

    name: str
    folder: Path
    record: Record | None
    """of its evaluation; None for a model that was not published by Verdict"""


@dataclass(frozen=True)
class Scored:
    """What came of a file."""

    n: int
    """rows"""
    left_out: int
    backend: str


def find(name: str) -> Model:
    """A publication `user/name@revision`, checked, or a run. Raises HubError, or RunError when there is neither."""
    if "@" not in name:
        run = runs.find(name)
        return Model(run.name, run.model, run.record)
    repo, commit = hub.resolve(name)
    publication = integrity.fetch(repo, commit)
    try:
        return Model(publication.name, publication.folder, publication.record)
    except NotOnHub:
        return Model(publication.name, publication.folder, None)


def score(
    file: Path, model: Model, output: Path, *, text: str = "", pair: str = "", backend: str = AUTO,
    progress: Progress = lambda done, n: None,
) -> Scored:  # fmt: skip
    """Write a row an input row to `output`: number, texts, label, confidence, probabilities, or why it was left out.

    `text` and `pair` name columns; empty, they are guessed. Raises InputError for a file that cannot be read, or where
    another job's unfinished work is in the way, and ModelError.
    """
    upload = uploads.of_path(file)
    columns = _columns(upload, model, text, pair)
    parts = output.with_name(f"{output.name}.parts")
    found = _begin(parts, _job(file, model, columns, backend))
    predictor = fastest.load(model.folder, backend, many=True)
    temperature = calibration.of_record(model.record) if model.record else 1.0
    with file.open("rb") as opened:
        n = rows.estimate(opened, upload.kind)
    done = AT_ONCE * len(found)
    progress(done, n)
    for reviews in upload.chunks(*columns, AT_ONCE, skipped=done):
        path = parts / f"{len(found):06}.parquet"
        write_atomically(path, partial(pq.write_table, _answered(reviews, predictor, temperature)))
        found.append(path)
        done += len(reviews) + len(reviews.bad)
        progress(done, max(n, done))
    write_atomically(output, partial(_join, found))
    shutil.rmtree(parts)
    problems = pq.read_table(output, columns=[PROBLEM])[PROBLEM]
    return Scored(len(problems), len(problems) - problems.null_count, predictor.backend)


def _columns(upload: Upload, model: Model, text: str, pair: str) -> tuple[str, str | None]:
    """The columns of the texts, and of the second texts for a model of pairs."""
    recipe = model.record.recipe if model.record else None
    there = upload.columns()
    names = list(there)
    if missing := [name for name in (text, pair) if name and name not in there]:
        raise InputError(f"{upload.name} has no column of texts {missing[0]!r}; it has {', '.join(names)}.")
    first = text or names[uploads.guess(there, [*([recipe.data.text] if recipe else []), *uploads.USUAL])]
    if not (pair or (recipe and recipe.data.text_pair)):
        return first, None
    known = [recipe.data.text_pair] if recipe and recipe.data.text_pair else []
    return first, pair or names[uploads.guess(there, known, taken=first)]


def _job(file: Path, model: Model, columns: tuple[str, str | None], backend: str) -> dict[str, Any]:
    """What makes this job this one: parts of another are of no use to it."""
    stat = file.stat()
    of = {"file": file.name, "bytes": stat.st_size, "changed": stat.st_mtime_ns, "at_once": AT_ONCE}
    return of | {"model": model.name, "columns": list(columns), "backend": backend}


def _begin(parts: Path, job: dict[str, Any]) -> list[Path]:
    """The parts that are done already; those of another job are refused. Raises InputError."""
    stated = parts / "job.json"
    if stated.is_file():
        if json.loads(stated.read_text(encoding="utf-8")) != job:
            raise InputError(
                f"{parts} holds the beginning of another job (other file, model, columns or backend). Remove it, or "
                "name another output."
            )
        found = sorted(parts.glob("*.parquet"))
        log.info("Going on after %d rows that are done already", AT_ONCE * len(found))
        return found
    write_json(stated, job)
    return []


def _answered(reviews: Reviews, predictor: Predictor, temperature: float) -> pa.Table:
    """The answers to some rows, those that were left out among them, by their numbers."""
    output = predictor.predict(reviews.texts, reviews.pairs)
    probabilities = calibration.probabilities(output.logits, temperature)
    frame = answers.frame(reviews, predictor.labels, probabilities, output.truncated)
    schema = _schema(predictor.labels, pairs=reviews.pairs is not None)
    read = pa.Table.from_pandas(frame.assign(**{PROBLEM: None}), schema, preserve_index=False)
    bad = [{answers.ROW: row.number, PROBLEM: row.reason} for row in reviews.bad]
    return pa.concat_tables([read, pa.Table.from_pylist(bad, schema)]).sort_by(answers.ROW)


def _schema(labels: tuple[str, ...], *, pairs: bool) -> pa.Schema:
    texts = [(answers.TEXT, pa.string())] + [(answers.PAIR, pa.string())] * pairs
    said = [(answers.LABEL, pa.string()), (answers.CONFIDENCE, pa.float32()), (answers.CUT, pa.bool_())]
    each = [(answers.probability_of(label), pa.float32()) for label in labels]
    return pa.schema([(answers.ROW, pa.int64()), *texts, *said, *each, (PROBLEM, pa.string())])


def _join(parts: list[Path], output: Path) -> None:
    with pq.ParquetWriter(output, pq.read_schema(parts[0])) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))
