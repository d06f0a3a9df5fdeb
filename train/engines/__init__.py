"""How a recipe is trained. An engine is one file here and one entry in ENGINES."""

from collections.abc import Callable, Mapping
from typing import Any

from core.data import Splits
from core.recipe import Recipe
from core.runs import Run
from train.encoders import Encoder
from train.engines import trainer

Engine = Callable[[Recipe, Splits, Encoder, Run], dict[str, Any]]
"""Trains, saves the best model to `run.model`, logs to `run.log`; returns the cost (time, throughput, memory)."""

ENGINES: Mapping[str, Engine] = {"trainer": trainer.train}
