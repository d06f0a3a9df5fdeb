"""One recipe with several seeds: how much of a score is chance.

The seed moves the new head's weights, the order of the texts and dropout; `data.seed` stays, and with it the splits.
"""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from core import recipe as recipes
from core.metrics import METRICS
from core.recipe import Recipe
from core.runs import Run
from core.wording import figure

log = logging.getLogger("verdict")

SHOWN: Final = ("accuracy", "f1_macro", "loss")


def fit_seeds(recipe: Recipe, n: int) -> list[Run]:
    """Train `recipe` with its seed and the n - 1 that follow; each is a run of its own.

    Raises VerdictError as fit does; the runs that are complete by then stay. Raises RecipeError, before anything is
    trained, for a seed that is too large.
    """
    from train.fit import fit  # it imports torch, which reading runs does not need

    wanted = [_with_seed(recipe, recipe.seed + offset) for offset in range(n)]
    found = []
    for number, each in enumerate(wanted, start=1):
        if n > 1:
            log.info("Seed %d, %d of %d", each.seed, number, n)
        found.append(fit(each))
    return found


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and the sample's standard deviation (n - 1 in its denominator), which one value alone has not."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def table(found: Sequence[Run]) -> pd.DataFrame:
    """Test scores as people read them: a row a run, then their mean and their standard deviation."""
    rows = [[run.name, str(run.record.recipe.seed), *map(figure, _scores(run))] for run in found]
    columns = zip(*map(_scores, found), strict=True)
    means, deviations = zip(*map(mean_and_deviation, columns), strict=True)
    rows += [["Mean", "", *map(figure, means)], ["Standard deviation", "", *map(figure, deviations)]]
    return pd.DataFrame(rows, columns=["Run", "Seed", *(METRICS[name].title for name in SHOWN)])


def _scores(run: Run) -> list[float]:
    test = run.record.metrics["splits"]["test"]
    return [test[name]["value"] for name in SHOWN]


def _with_seed(recipe: Recipe, seed: int) -> Recipe:
    return recipes.parse(recipe.model_dump() | {"seed": seed}, f"{recipe.name} with seed {seed}")
