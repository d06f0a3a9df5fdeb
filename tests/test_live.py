"""A run in progress, as a page sees it."""

import os
import shutil
import time
from pathlib import Path

import pytest
from filelock import FileLock

from core import live
from core.errors import RunError
from core.live import Phase
from core.runs import Run
from tests.histories import history


@pytest.fixture
def begun(run: Run, tmp_path: Path) -> Run:
    """A run of which there is a recipe, and no more."""
    found = Run(tmp_path / "tiny" / "20261121-120000-abcd")
    found.path.mkdir(parents=True)
    shutil.copy(run.path / "recipe.toml", found.path)
    return found


def age(run: Run, seconds: float) -> None:
    """Make all that is there of a run so much older."""
    for path in run.path.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_run_goes_through_its_phases(begun: Run, run: Run) -> None:
    assert live.look(begun).phase == Phase.STARTING
    for entry in history(2, 5):
        begun.log(entry)
    now = live.look(begun)
    assert (now.phase, now.epoch, now.epochs, now.share) == (Phase.TRAINING, 2.0, 8, 0.25)
    assert now.sentence.startswith("Training, epoch 2.0 of 8 at most. Last written 0 s ago.")
    begun.model.mkdir()
    assert live.look(begun).phase == Phase.MEASURING
    shutil.copy(run.path / "metrics.json", begun.path)
    assert live.look(begun).phase == Phase.COMPLETE


def test_a_line_still_being_written_is_waited_for(begun: Run) -> None:
    begun.log(history(1, 1)[0])
    with (begun.path / "history.jsonl").open("a") as file:
        file.write('{"kind": "ep')
    assert len(live.look(begun).points) == 1


def test_a_run_that_nobody_works_on_seems_to_have_stopped_after_a_while(begun: Run) -> None:
    age(begun, live.QUIET / 2)
    assert not live.look(begun).stopped
    age(begun, 600)
    now = live.look(begun)
    assert now.stopped
    assert now.silent == pytest.approx(600, abs=5)
    assert f"python -m train fit --resume {begun.name}" in now.how_to_go_on
    assert "10.0 min" in now.how_to_go_on


def test_a_run_that_a_process_works_on_has_not_stopped_however_silent(begun: Run) -> None:
    begun.lock.parent.mkdir()
    with FileLock(begun.lock):
        age(begun, 3600)
        assert begun.in_work
        assert not live.look(begun).stopped
    age(begun, 3600)
    assert not begun.in_work
    assert live.look(begun).stopped


def test_who_asks_does_not_keep_a_training_from_its_lock(begun: Run) -> None:
    begun.lock.parent.mkdir()
    begun.lock.touch()
    assert not begun.in_work
    with FileLock(begun.lock, blocking=False):
        pass


def test_a_complete_run_never_seems_to_have_stopped(run: Run, tmp_path: Path) -> None:
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "tiny" / "old")))
    age(copy, 10_000)
    assert not live.look(copy).stopped


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"kind": "step", "epoch": {}, "loss": 1}'])
def test_a_damaged_history_is_named(begun: Run, line: str) -> None:
    (begun.path / "history.jsonl").write_text(f"{line}\n")
    with pytest.raises(RunError, match="abcd"):
        live.look(begun)


def test_early_stopping_and_rounding_never_pass_the_end(begun: Run) -> None:
    for entry in history(9, 1):
        begun.log(entry)
    assert live.look(begun).share == 1.0
