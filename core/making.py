"""How runs were made: curves, recipe, environment and cost of each, and what differs between several. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core import curves, views
from core import recipe as recipes
from core.errors import WRONG_SHAPE, RunError
from core.recipe import Recipe
from core.runs import Record
from core.wording import as_cell, duration, figure

Rows = Mapping[str, str]
"""A table of two columns: name -> text."""

NONE = "–"
MOST = 8
"""Runs that can be told apart by their colours."""
OFFERED = 30
"""Runs that are offered for a comparison, the newest; more would fill a page with their names."""
CARDS = {
    "Training time": "From the first step to the last, with the looks at validation; on the machine that trained it.",
    "Tokens per second": "Pieces of words that training read in a second, padding not counted.",
    "Peak memory": "The most that the training process had in memory at any moment.",
}
"""The costs that are shown large, with what they mean."""
MEMORIES = {"peak_memory_bytes": "peak memory", "peak_device_memory_bytes": "peak memory of the GPU"}


@dataclass(frozen=True)
class Made:
    """How a run was made, as people read it."""

    recipe: Recipe
    points: pd.DataFrame
    """its curves, from `curves.of`"""
    environment: Rows
    cost: Rows
    data: pd.DataFrame
    """sizes, hashes and audit"""


def read(record: Record, name: str) -> Made:
    """How the run of a record was made. Raises RunError where a file of it is missing, damaged or of another shape."""
    try:
        return Made(
            recipe=record.recipe,
            points=curves.of(record.history),
            environment=_environment(record.environment),
            cost=_cost(record.environment["cost"]),
            data=views.audit(record.data),
        )
    except WRONG_SHAPE as error:
        raise RunError(
            f"{name} is damaged: its history, data or environment does not hold what Verdict writes there "
            f"({type(error).__name__}: {error})."
        ) from error


def tables(made: Made) -> dict[str, pd.DataFrame]:
    """All that is known of how a run was made, by what it is about."""
    return {
        "Cost": side_by_side("What", {"Value": made.cost}),
        "Recipe": views.settings(made.recipe),
        "Environment": side_by_side("What", {"Value": made.environment}),
        "Data and audit": made.data,
    }


def differences(runs: Mapping[str, Made]) -> dict[str, pd.DataFrame]:
    """What is not the same in all runs, a column a run, by what it is about; an empty table where nothing is.

    Of the cost every row is there. One run alone differs in nothing, and has no such tables.
    """
    if len(runs) < 2:
        return {}
    environments = side_by_side("What", {name: made.environment for name, made in runs.items()})
    return {
        "Differences in the recipes": _settings_that_differ(runs),
        "Differences in the environments": environments[environments.iloc[:, 1:].nunique(axis=1) > 1],
        "Costs": side_by_side("What", {name: made.cost for name, made in runs.items()}),
    }


def _settings_that_differ(runs: Mapping[str, Made]) -> pd.DataFrame:
    first, *others = [made.recipe for made in runs.values()]
    differing = {key for other in others for key in recipes.differences(first, other)}
    columns = {
        name: {key: views.plain(value) or NONE for key, value in recipes.flat(made.recipe).items() if key in differing}
        for name, made in runs.items()
    }
    return side_by_side("Setting", columns)


def side_by_side(what: str, columns: Mapping[str, Rows]) -> pd.DataFrame:
    """Tables of two columns as one, each name once; a dash where a run has no such row."""
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    cells = {what: names} | {title: [rows.get(name, NONE) for name in names] for title, rows in columns.items()}
    return pd.DataFrame(cells).map(as_cell)


def _environment(found: Mapping[str, Any]) -> Rows:
    code = found.get("code") or {}
    named = {
        "Processor": found["processor"],
        "Processor's capability": found["cpu_capability"],
        "Device": found["device"],
        "Threads": found["threads"],
        "System": f"{found.get('system', '')} {found.get('machine', '')}",
        "Python": found["python"],
        **found["packages"],
        "Encoder": found.get("base_model"),
        "Encoder, SHA-256": found.get("encoder_sha256"),
        "Code": code.get("commit", "")[:7] + (" with changes" if code.get("dirty") else ""),
    }
    return {name: str(value).strip() or NONE for name, value in named.items() if value is not None}


def _cost(found: Mapping[str, Any]) -> Rows:
    rows = {
        "Training time": duration(found["train_seconds"]),
        "Epochs": f"{found['epochs']:g}",
        "Tokens per second": f"{found['tokens_per_second']:,.0f}",
        "Peak memory": _memory(found["peak_memory_bytes"]),
    }
    for name, phase in found.get("phases", {}).items():  # runs of before phases were measured have none
        rows |= {f"{name.capitalize()}: time": duration(phase["seconds"])}
        rows |= {
            f"{name.capitalize()}: {title}": _memory(phase[key]) for key, title in MEMORIES.items() if key in phase
        }
    return rows


def _memory(size: float) -> str:
    return f"{figure(size / 2**30)} GiB"
