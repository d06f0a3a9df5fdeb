"""Runs and records: typed views of their directories, and where runs live.

A `Record` reads an evaluation, whether in a run directory or in a publication's `evaluation/` folder: both hold the
same files. A `Run` is a run directory: its record, its model, and what became of it on the Hub.
"""

import fcntl
import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core import predictions
from core import recipe as recipes
from core.errors import RunError
from core.files import append_line, write_atomically, write_json, write_text
from core.predictions import Predictions

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """A run's evaluation, read from `folder` on first use. Damaged files raise RunError."""

    folder: Path

    @cached_property
    def recipe(self) -> recipes.Recipe:
        """The resolved recipe."""
        path = self.folder / "recipe.toml"
        try:
            return recipes.parse(tomllib.loads(_read(path)), _short(path))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise RunError(f"{_short(path)} is damaged: {error}") from None

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json, whole."""
        found = self._json("metrics.json")
        if found.get("schema") != SCHEMA:
            raise RunError(f"{_short(self.folder)}/metrics.json has schema {found.get('schema')}, not {SCHEMA}.")
        return found

    @cached_property
    def data(self) -> dict[str, Any]:
        """data.json: fingerprints, audit and baselines."""
        return self._json("data.json")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """environment.json: versions, device, cost."""
        return self._json("environment.json")

    @property
    def history(self) -> list[dict[str, Any]]:
        """The logged steps and epochs so far; a line still being written is left out."""
        return _lines(self.folder / "history.jsonl")

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in index order."""
        return tuple(self.metrics["labels"])

    def predictions(self, split: str = "test") -> Predictions:
        """The split's stored predictions."""
        return predictions.load(self.folder / "predictions" / f"{split}.parquet")

    def slices(self, split: str = "test") -> pd.DataFrame | None:
        """What examples are grouped by, indexed by id: `conflict` (bool) and the recipe's own columns (str).

        None for a record of before this was kept.
        """
        path = self.folder / "slices" / f"{split}.parquet"
        if not path.is_file():
            return None
        try:
            frame: pd.DataFrame = pq.read_table(path).to_pandas(ignore_metadata=True)
            return frame.set_index("id")
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise RunError(
                f"slices/{path.name} is damaged ({type(error).__name__}): restore it from a copy or train again."
            ) from error

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return _object(_read(path), path)


@dataclass(frozen=True)
class Run:
    """A run directory. Damaged files raise RunError, and so does changing a complete run."""

    path: Path

    @property
    def name(self) -> str:
        """`recipe/id`: how the run is named everywhere."""
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def record(self) -> Record:
        """The run's evaluation."""
        return Record(self.path)

    @property
    def model(self) -> Path:
        """Folder of the model files."""
        return self.path / "model"

    @property
    def complete(self) -> bool:
        """Whether training and evaluation ended: metrics.json is written last."""
        return (self.path / "metrics.json").is_file()

    @property
    def lock(self) -> Path:
        """The file that whoever trains the run has locked."""
        return self.path / "checkpoints" / "lock"

    @property
    def in_work(self) -> bool:
        """Whether a process on this machine trains or measures the run at this moment."""
        try:
            with self.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go as the file is closed
        except BlockingIOError:
            return True
        except OSError:
            return False  # no such file, or a file system without locks
        return False

    @property
    def publications(self) -> list[dict[str, str]]:
        """Where the run was published: repo, commit, when; oldest first."""
        return _lines(self.path / "publications.jsonl")

    @property
    def verifications(self) -> list[dict[str, Any]]:
        """What verifications found, oldest first."""
        found = [_object(_read(path), path) for path in (self.path / "verifications").glob("*.json")]
        return sorted(found, key=lambda each: str(each.get("when")))

    @property
    def exported(self) -> dict[str, Any]:
        """What the export to ONNX says of its files and of each backend; raises RunError where nothing was exported."""
        path = self.model / "onnx" / "export.json"
        return _object(_read(path), path)

    def write_recipe(self, recipe: recipes.Recipe) -> None:
        """Store the resolved recipe."""
        write_text(self._unfinished("recipe.toml"), recipes.dumps(recipe))

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Store `name`, atomically."""
        write_json(self._unfinished(name), value)

    def write_predictions(self, split: str, found: Predictions) -> None:
        """Store a split's predictions."""
        write_atomically(self._unfinished(f"predictions/{split}.parquet"), found.save)

    def write_slices(self, split: str, found: pd.DataFrame) -> None:
        """Store what a split's examples are grouped by: `id`, `conflict` and the recipe's own columns."""
        path = self._unfinished(f"slices/{split}.parquet")
        write_atomically(path, lambda temporary: found.to_parquet(temporary, index=False))

    def log(self, entry: dict[str, Any]) -> None:
        """Append an entry to the history."""
        append_line(self._unfinished("history.jsonl"), entry)

    def rewind(self, step: int) -> None:
        """Forget what the history says of later steps: training goes on from `step`."""
        kept = [entry for entry in self.record.history if entry["step"] <= step]
        write_text(self._unfinished("history.jsonl"), "".join(json.dumps(entry) + "\n" for entry in kept))

    def add_publication(self, repo: str, commit: str) -> None:
        """Remember that the run is on the Hub."""
        append_line(self.path / "publications.jsonl", {"repo": repo, "commit": commit, "when": now()})

    def add_verification(self, found: dict[str, Any]) -> None:
        """Remember what a verification found."""
        write_json(self.path / "verifications" / f"{found['commit']}.json", found)

    def _unfinished(self, name: str) -> Path:
        if self.complete:
            raise RunError(f"{self.name} is complete; a complete run is never changed.")
        return self.path / name


def now() -> str:
    """The present time, as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def root() -> Path:
    """Where runs live: VERDICT_RUNS, or ./runs."""
    return Path(os.environ.get("VERDICT_RUNS") or "runs")


def create(recipe: recipes.Recipe) -> Run:
    """A new directory for a run of `recipe`, with the resolved recipe in it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    run = Run(root() / recipe.name / f"{stamp}-{secrets.token_hex(2)}")
    run.path.mkdir(parents=True)
    run.write_recipe(recipe)
    return run


def find(name: str) -> Run:
    """The run named `recipe/id`, or the newest complete run of `recipe`. Raises RunError if there is none."""
    recipe, _, identifier = name.partition("/")
    if identifier:
        found = [run for run in every() if run.name == name]
    else:
        found = [run for run in every() if run.path.parent.name == recipe and run.complete]
    if not found:
        raise RunError(f"There is no run {name} under {root()}. `python -m train runs` lists those there are.")
    return found[0]


def every(folder: Path | None = None) -> list[Run]:
    """All runs under `folder` (by default `root`), newest first, complete or not."""
    found = [Run(path.parent) for path in (folder or root()).glob("*/*/recipe.toml")]
    return sorted(found, key=lambda run: run.path.name, reverse=True)


def of_publication(repo: str, commit: str) -> Run | None:
    """The local run that was published as `repo@commit`, if it is here."""
    for run in every():
        try:
            if any((each.get("repo"), each.get("commit")) == (repo, commit) for each in run.publications):
                return run
        except RunError:
            continue  # a damaged neighbour must not hide the run that is looked for
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{_short(path)} is missing: this run is incomplete or damaged.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{_short(path)} cannot be read: {error}") from None


def _lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, none without a file; a line still being written is left out."""
    # Not splitlines, which also cuts at signs that JSON allows within a line.
    lines = _read(path).split("\n")[:-1] if path.exists() else []
    return [_object(line, path) for line in lines]


def _object(text: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{_short(path)} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise RunError(f"{_short(path)} is damaged: it holds no JSON object.")
    return found


def _short(path: Path) -> str:
    return "/".join(path.parts[-3:])
