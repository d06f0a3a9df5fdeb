"""The texts behind a record's predictions, where they can be had: published with it, or read from the data set."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from core.data import hashes, load_splits
from core.errors import DataError, RunError
from core.files import write_atomically
from core.recipe import Recipe
from core.runs import Record
from core.sources import read_parquet
from core.streaming import cache_path


def of_record(record: Record, split: str) -> pd.DataFrame:
    """Texts of a split, indexed by id: `text`, `text_pair` for pairs, and `text_sha256` to compare with what was read.

    Raises DataError when the texts were not published and the data set is not here.
    """
    published = _path(record.folder, split)
    frame = _read(published) if published.is_file() else _from_source(record.recipe, split)
    return frame.assign(text_sha256=hashes(frame)).set_index("id")


def write(folder: Path, split: str, frame: pd.DataFrame) -> Path:
    """Store a split's texts under `folder` as a publication holds them; returns the file."""
    path = _path(folder, split)
    columns = [column for column in ("id", "text", "text_pair") if column in frame]
    write_atomically(path, lambda temporary: frame[columns].to_parquet(temporary, index=False))
    return path


def _from_source(recipe: Recipe, split: str) -> pd.DataFrame:
    # A page must not start to stream gigabytes because somebody clicked on a cell.
    if recipe.data.url and not all(cache_path(recipe.data, label).is_file() for label in recipe.labels):
        raise DataError(f"The texts were not published, and those of {recipe.data.url} were not read on this machine.")
    return load_splits(recipe)[split]


def _path(folder: Path, split: str) -> Path:
    return folder / "texts" / f"{split}.parquet"


def _read(path: Path) -> pd.DataFrame:
    try:
        frame = read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"texts/{path.name} is damaged ({type(error).__name__}).") from error
    if not {"id", "text"} <= set(frame.columns) or not frame.map(lambda cell: isinstance(cell, str)).all(axis=None):
        raise RunError(f"texts/{path.name} is damaged: every row must have an id and a text.")
    return frame
