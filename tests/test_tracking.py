"""Trackers: they get every entry, fail without harm, and write nothing into a run.

TensorBoard and Trackio are tested as they are, where they are installed; Weights & Biases by a stand-in that takes
down how it is called.
"""

import json
import logging
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import recipe as recipes
from core import runs
from core.errors import RecipeError
from core.recipe import Recipe
from core.runs import Run
from train import tracking

SECRET = "hf_4rk3r0f4s3cr3t"
LOGGED = [
    {"kind": "step", "step": 10, "epoch": 0.5, "loss": 0.7, "learning_rate": 2e-5},
    {"kind": "step", "step": 20, "epoch": 1.0, "loss": 0.6, "learning_rate": 1e-5},
    {"kind": "epoch", "step": 20, "epoch": 1.0, "validation_loss": 0.65, "validation_accuracy": 0.75},
]
STAND_IN = '''
"""Takes down every call in calls.jsonl, in the folder that it is told to write to."""
import json, pathlib

class Run:
    def __init__(self, folder): self.file = pathlib.Path(folder) / "calls.jsonl"
    def note(self, **call):
        with self.file.open("a") as file: file.write(json.dumps(call) + "\\n")
    def log(self, values, step): self.note(log=values, step=step)
    def finish(self, exit_code): self.note(finish=exit_code)

def init(**given):
    run = Run(given["dir"])
    run.note(init=given)
    return run
'''


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return recipes.load(tiny)


@pytest.fixture
def started(recipe: Recipe, no_runs: Path) -> Run:
    """A run that has just begun, with runs in a folder of its own."""
    return runs.create(recipe)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `wandb` that is found before any other."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "wandb.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    yield
    sys.modules.pop("wandb", None)


def tracked(recipe: Recipe, *names: str) -> Recipe:
    return recipe.model_copy(update={"track": names})


def follow(recipe: Recipe, run: Run, entries: list[dict[str, Any]] = LOGGED) -> None:
    with tracking.open(recipe, run) as opened:
        for entry in entries:
            opened.log(entry)


def calls() -> list[dict[str, Any]]:
    """What the stand-in took down."""
    return [json.loads(line) for line in (runs.root() / "calls.jsonl").read_text(encoding="utf-8").splitlines()]


def scalars(run: Run) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a run: step and value, by name."""
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = loading.EventAccumulator(str(runs.root() / "tensorboard" / run.name))
    found.Reload()
    return {
        name: [(event.step, pytest.approx(event.value)) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def expected(entries: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Step and value by name, of the numbers of these entries."""
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in entries:
        for name, value in entry.items():
            if name not in ("kind", "step"):
                found.setdefault(name, []).append((entry["step"], value))
    return found


def files(run: Run) -> set[str]:
    return {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}


def holding_the_secret(*folders: Path) -> list[Path]:
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found
    return [path for path in found if SECRET.encode() in path.read_bytes()]


def test_a_recipe_without_trackers_needs_none(recipe: Recipe, started: Run) -> None:
    follow(recipe, started)
    assert files(started) == {"recipe.toml"}


@pytest.mark.parametrize("name", sorted(tracking.PACKAGES))
def test_a_missing_package_is_named_before_anything_is_opened(
    recipe: Recipe, started: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, tracking.PACKAGES[name], None)  # what Python has of a module that must not be had
    with pytest.raises(RecipeError, match=f"tracked with {name}.*pip install {name}.*--set track="):
        tracking.open(tracked(recipe, name), started).__enter__()
    assert {path.name for path in runs.root().iterdir()} == {recipe.name}


def test_all_missing_packages_are_named_at_once(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in tracking.PACKAGES.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RecipeError, match="pip install trackio wandb`"):
        tracking.require(tracked(recipe, "trackio", "wandb"))


def test_tensorboard_gets_every_figure_at_its_step(recipe: Recipe, started: Run) -> None:
    pytest.importorskip("tensorboard")
    follow(tracked(recipe, "tensorboard"), started)
    assert scalars(started) == expected(LOGGED)
    assert files(started) == {"recipe.toml"}
    written = b"".join(path.read_bytes() for path in (runs.root() / "tensorboard").rglob("events*"))
    assert b"max_tokens = 16" in written


def test_tensorboard_shows_what_a_resumed_training_repeats_once(recipe: Recipe, started: Run) -> None:
    pytest.importorskip("tensorboard")
    follow(tracked(recipe, "tensorboard"), started)
    later = [entry | {"step": entry["step"] + 10} for entry in LOGGED]
    follow(tracked(recipe, "tensorboard"), started, later)
    assert scalars(started) == expected([LOGGED[0], *later])


def test_tensorboard_forgets_the_steps_that_an_engine_takes_back(recipe: Recipe, started: Run) -> None:
    pytest.importorskip("tensorboard")
    follow(tracked(recipe, "tensorboard"), started, [*LOGGED, *LOGGED])
    assert scalars(started) == expected(LOGGED)


def test_trackio_gets_every_figure_at_its_step(
    recipe: Recipe, started: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    trackio = pytest.importorskip("trackio")
    follow(tracked(recipe, "trackio"), started)
    with sqlite3.connect(Path(trackio.utils.TRACKIO_DIR) / "verdict.db") as stored:
        rows = stored.execute("SELECT step, metrics FROM metrics WHERE run_name = ?", [started.name]).fetchall()
        ((config,),) = stored.execute("SELECT config FROM configs WHERE run_name = ?", [started.name]).fetchall()
    assert expected([{"step": step} | json.loads(values) for step, values in rows]) == expected(LOGGED)
    assert json.loads(config)["training.max_tokens"] == 16
    assert files(started) == {"recipe.toml"}
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("stand_in")
def test_a_stand_in_for_wandb_gets_every_figure_at_its_step(recipe: Recipe, started: Run) -> None:
    follow(tracked(recipe, "wandb"), started)
    begun, *logged, ended = calls()
    assert [(call["step"], call["log"]) for call in logged] == [
        (entry["step"], {name: value for name, value in entry.items() if name not in ("kind", "step")})
        for entry in LOGGED
    ]
    assert begun["init"]["config"]["training.max_tokens"] == 16
    assert begun["init"]["name"] == started.name
    assert ended == {"finish": 0}
    assert files(started) == {"recipe.toml"}


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_MODE": ""}, "offline"),
        ({"WANDB_MODE": "disabled"}, None),
        ({"WANDB_API_KEY": SECRET}, None),
    ],
)
def test_a_stand_in_for_wandb_is_offline_unless_the_environment_says_otherwise(
    recipe: Recipe, started: Run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], mode: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    follow(tracked(recipe, "wandb"), started, [])
    assert calls()[0]["init"]["mode"] == mode


@pytest.mark.usefixtures("stand_in")
def test_a_stand_in_for_wandb_learns_that_training_failed(recipe: Recipe, started: Run) -> None:
    with pytest.raises(KeyboardInterrupt), tracking.open(tracked(recipe, "wandb"), started):
        raise KeyboardInterrupt
    assert calls()[-1] == {"finish": 1}


@pytest.mark.usefixtures("stand_in")
def test_no_secret_is_written_anywhere(recipe: Recipe, started: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [name for name in ("tensorboard", "trackio") if _installed(name)]
    for name in ("WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    follow(tracked(recipe, "wandb", *installed), started)
    folders = [runs.root()]
    if "trackio" in installed:
        folders.append(Path(sys.modules["trackio"].utils.TRACKIO_DIR))
    assert not holding_the_secret(*folders)


def test_a_run_holds_no_secret_of_its_environment(tiny: Path, no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.fit import fit

    for name in ("WANDB_API_KEY", "HF_TOKEN", "TRACKIO_WRITE_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    track = "track=['tensorboard']" if _installed("tensorboard") else "track=[]"
    fit(recipes.load(tiny, [track, "training.epochs=1", "data.limit=16"]))
    assert not holding_the_secret(no_runs)


class Broken:
    """A tracker whose dashboard is down from its second entry on."""

    def __init__(self) -> None:
        self.logged = self.closed = 0

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged += 1
        if self.logged > 1:
            raise ConnectionError("nobody answers")

    def close(self, *, failed: bool) -> None:
        self.closed += 1
        raise TimeoutError("still nobody")


class Sound(Broken):
    def log(self, values: dict[str, float], step: int) -> None:
        self.logged += 1

    def close(self, *, failed: bool) -> None:
        self.closed += 1


def test_a_tracker_that_fails_is_reported_once_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = Broken(), Sound()
    opened = tracking.Tracking({"wandb": broken, "tensorboard": sound})
    with caplog.at_level(logging.WARNING, "verdict"):
        for entry in [*LOGGED, *LOGGED]:
            opened.log(entry)
        failed = [record.getMessage() for record in caplog.records]
        opened.close()
    assert failed == [
        "wandb failed and gets no more entries (ConnectionError: nobody answers). The run is not affected."
    ]
    assert [record.getMessage().split(" (")[0] for record in caplog.records][1:] == ["wandb could not be closed"]
    assert (broken.logged, broken.closed) == (2, 1)
    assert (sound.logged, sound.closed) == (6, 1)


@pytest.mark.usefixtures("stand_in")
def test_a_tracker_that_does_not_open_is_left_out(
    recipe: Recipe, started: Run, caplog: pytest.LogCaptureFixture
) -> None:
    (runs.root() / "calls.jsonl").mkdir()  # the stand-in cannot write
    follow(tracked(recipe, "wandb"), started)
    (warning,) = caplog.records
    assert warning.getMessage().startswith("wandb could not be opened and does not follow this training (IsADirectory")


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_following_draws_no_random_numbers(recipe: Recipe, started: Run, name: str) -> None:
    pytest.importorskip(name)

    def states() -> list[Any]:
        return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]

    with tracking.open(tracked(recipe, name), started) as opened:
        before = states()
        for entry in LOGGED:
            opened.log(entry)
    assert states() == before


def _installed(name: str) -> bool:
    try:
        tracking._module(name)
    except ImportError:
        return False
    return True
