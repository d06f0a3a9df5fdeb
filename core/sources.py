"""Where examples come from: one function a kind of source, each giving the source's own columns, row by row.

What the columns mean, and which of the source's splits become which of ours, is data.py's.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub.utils.sha import git_hash

from core import hub
from core.errors import DataError, IntegrityError
from core.files import PROJECT, sha256
from core.recipe import SOURCES, Data

SPLIT = "split of the source"
"""The column that `read` adds: which of the source's splits a row belongs to."""
ID = "id"
"""The one column of ids that may be absent: rows are numbered then."""


def read(source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """The source's columns and `SPLIT`; rows in the source's order, numbered from 0.

    There may be more splits and columns than the recipe uses, and no column of ids. Raises DataError, or HubError.
    """
    table = READERS[_kind(source)](source, labels).reset_index(drop=True)
    wanted = [source.text, source.label, *filter(None, [source.text_pair])]
    wanted += [source.split] if source.file and source.split else []
    wanted += source.slices
    wanted += [] if source.id in ("", ID) else [source.id]  # one that was asked for is never replaced by row numbers
    if missing := [column for column in wanted if column not in table.columns]:
        there = ", ".join(str(column) for column in table.columns if column != SPLIT)
        hint = ' For a file without splits, set data.split = "".' if missing == [source.split] else ""
        raise DataError(f"{name(source)} has no column {', '.join(missing)}; it has {there}.{hint}")
    return table


def name(source: Data) -> str:
    """The source as messages name it: its file, repo or address."""
    return str(getattr(source, _kind(source)))


def needed(source: Data) -> list[str]:
    """The source's splits that the recipe takes rows from, each once."""
    return list(dict.fromkeys([*source.train, *(x for x in (source.validation, source.test) if isinstance(x, str))]))


def read_parquet(path: Path) -> pd.DataFrame:
    """A parquet file, checked whole. Raises OSError, ValueError or pa.ArrowException where it is damaged."""
    table = pq.read_table(path)
    table.validate(full=True)  # pandas decodes texts only when they are looked at
    # What pandas noted for itself is not needed, and where it is damaged pandas raises anything.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _kind(source: Data) -> str:
    return next(kind for kind in SOURCES if getattr(source, kind))


def _file(source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """A file beside the recipe; without a column of splits, all of it is `train`."""
    path = next((p for p in (Path(source.file), PROJECT / source.file) if p.is_file()), None)
    if path is None:
        raise DataError(f"There is no data file {source.file}, neither in the working folder nor in the project.")
    table = _read_file(path, source.file)
    return table.assign(**{SPLIT: table.get(source.split) if source.split else "train"})


def _read_file(path: Path, shown: str) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": read_parquet,
        ".csv": _read_csv,
        ".jsonl": _read_lines,
    }
    if path.suffix not in readers:
        raise DataError(f"{shown}: the ending must be one of {', '.join(readers)}.")
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise DataError(f"{shown} cannot be read as {path.suffix[1:]}: {error}") from None


def _read_csv(path: Path) -> pd.DataFrame:
    # 007 and NA are texts, too.
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _read_lines(path: Path) -> pd.DataFrame:
    # Dates and numbers in texts must stay as they were written.
    return pd.read_json(path, lines=True, dtype=False)


def _hub(source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """The parquet files of a data set on the Hub, at its commit, of the splits that are needed."""
    repo, commit = _pinned(source.hub)
    stated = hub.dataset_hashes(repo, commit)
    shards = {split: _shards(stated, source, split) for split in needed(source)}
    tables = []
    for split, names in shards.items():
        for shard, path in hub.fetch_dataset(repo, commit, names).items():
            _require_hash(path, stated[shard], f"{shard} of {source.hub}")
            tables.append(_read_file(path, f"{shard} of {source.hub}").assign(**{SPLIT: split}))
    return pd.concat(tables, ignore_index=True)


def _pinned(named: str) -> tuple[str, str]:
    repo, revision = hub.split_name(named)
    _, commit = hub.resolve(named, "dataset")
    if revision != commit:
        raise DataError(f"data.hub must name a commit, so that the data stay the same. Write {repo}@{commit}.")
    return repo, commit


def _shards(names: Iterable[str], source: Data, split: str) -> list[str]:
    """The files that hold a split, in order. Raises DataError when there are none, or not all of them."""
    folder = f"{source.config}/" if source.config else ""
    # train-00000-of-00002.parquet, and a hash behind it in older data sets
    shard = re.compile(rf"{re.escape(folder)}(?P<split>[^/]+?)-\d+(-of-(?P<all>\d+))?(-[^/]*)?\.parquet")
    found = [match for match in map(shard.fullmatch, sorted(names)) if match]
    here = [match for match in found if match["split"] == split]
    if not here:
        there = ", ".join(dict.fromkeys(match["split"] for match in found)) or "none"
        raise DataError(
            f"{source.hub} has no {folder}{split}-*.parquet. Splits there: {there}. "
            "data.config names the folder; data.train, data.validation and data.test name the splits."
        )
    if (due := int(here[0]["all"] or len(here))) != len(here):
        raise DataError(f"{source.hub}: of {due} files of {folder}{split} there are {len(here)}.")
    return [match[0] for match in here]


def _require_hash(path: Path, stated: str, shown: str) -> None:
    # The Hub names large files by SHA-256, small ones as git does.
    found = sha256(path) if len(stated) == 64 else git_hash(path.read_bytes())
    if found != stated:
        raise IntegrityError(
            f"{shown} was not read, because its bytes are not those that the Hub lists. Delete {path} and try again."
        )


def _url(source: Data, labels: tuple[str, ...]) -> pd.DataFrame:
    """A file a label, streamed; all of it is `train`."""
    from core import streaming

    return streaming.read(source, labels).assign(**{SPLIT: "train"})


READERS: dict[str, Callable[[Data, tuple[str, ...]], pd.DataFrame]] = {"file": _file, "hub": _hub, "url": _url}
