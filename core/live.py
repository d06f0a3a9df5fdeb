"""A run in progress: how far it is, and whether it still moves."""

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pandas as pd

from core import curves
from core.errors import WRONG_SHAPE, RunError
from core.runs import Run
from core.wording import duration

EVERY = 2.0
"""Seconds after which a page looks again."""
QUIET = 60.0
"""Seconds after which a run that no process on this machine works on, and that nothing was written of, has stopped."""


class Phase(StrEnum):
    """What a run is at."""

    STARTING = "The data are read and audited, and the baselines trained"
    TRAINING = "Training"
    MEASURING = "Trained; now validation and test are classified and measured"
    COMPLETE = "Complete"


@dataclass(frozen=True)
class Progress:
    """A look at a run."""

    name: str
    phase: Phase
    epoch: float
    """epochs done, with a part of the one under way"""
    epochs: int
    """epochs at most: training may stop earlier"""
    points: pd.DataFrame
    """its curves so far, from `curves.of`"""
    silent: float
    """seconds since anything of it was written"""
    stopped: bool
    """whether it seems to have stopped"""

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1."""
        return min(1.0, self.epoch / self.epochs)

    @property
    def sentence(self) -> str:
        """Where it is, in words."""
        at = f", epoch {self.epoch:.1f} of {self.epochs} at most" if self.phase == Phase.TRAINING else ""
        return f"{self.phase}{at}. Last written {duration(self.silent)} ago."

    @property
    def how_to_go_on(self) -> str:
        """What to do about a run that stopped."""
        return (
            f"It seems to have stopped: nothing was written for {duration(self.silent)}, and no process on this "
            f"machine works on it. `python -m train fit --resume {self.name}` goes on where it was."
        )


def look(run: Run) -> Progress:
    """How far a run is. Raises RunError where a file of it is damaged."""
    try:
        points = curves.of(run.record.history)
        silent = max(0.0, time.time() - _written(run.path))
        return Progress(
            name=run.name,
            phase=_phase(run, points),
            epoch=float(points["epoch"].max()) if len(points) else 0.0,
            epochs=run.record.recipe.training.epochs,
            points=points,
            silent=silent,
            stopped=silent > QUIET and not run.in_work and not run.complete,
        )
    except WRONG_SHAPE as error:
        raise RunError(f"The history of {run.name} is damaged ({type(error).__name__}: {error}).") from error


def _phase(run: Run, points: pd.DataFrame) -> Phase:
    if run.complete:
        return Phase.COMPLETE
    if run.model.is_dir():  # the best model is put there when training has ended
        return Phase.MEASURING
    return Phase.TRAINING if len(points) else Phase.STARTING


def _written(folder: Path) -> float:
    """When the newest file of a run was written, as a time stamp."""
    times = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # temporary files come and go
            times.append(path.stat().st_mtime)
    return max(times, default=0.0)
