"""The engines: ways to train a recipe. Both leave the same run."""

from collections.abc import Callable
from typing import Any

from train.engines import loop, trainer
from train.engines.start import Job

Engine = Callable[[Job, int], dict[str, Any]]
"""Trains the job's recipe, so many texts at a time, and leaves the best model in the run.

Returns what it cost. Goes on from the job's last checkpoint where there is one.
"""

ENGINES: dict[str, Engine] = {"trainer": trainer.train, "loop": loop.train}
