"""Histories -> curves: what a training logged, in long form. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.metrics import METRICS
from core.wording import figure

TRAINING, VALIDATION = "training loss", "validation loss"

SHOWN = {
    "Loss": (TRAINING, VALIDATION),
    "Accuracy": ("validation accuracy",),
    "F1 (macro)": ("validation f1 macro",),
}
"""What the app shows of a history, a chart a title: the series in it, of which the last says how it went."""

STEPS_SHOWN = 1000
"""A line of more steps than this is no clearer for them."""


def of(history: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The history in long form: epoch, series (training loss, validation loss, validation accuracy, …), value."""
    rows = []
    for entry in history:
        if entry["kind"] == "step":
            rows.append({"epoch": entry["epoch"], "series": TRAINING, "value": entry["loss"]})
        else:
            scores_at = {key: value for key, value in entry.items() if key.startswith("validation_")}
            rows += [
                {"epoch": entry["epoch"], "series": key.replace("_", " "), "value": value}
                for key, value in scores_at.items()
            ]
    return pd.DataFrame(rows, columns=["epoch", "series", "value"])


def groups(points: pd.DataFrame) -> dict[str, list[str]]:
    """Which series of `of` go into one picture of a run, by its title."""
    there = set(points["series"])
    found = {"Loss": [TRAINING, VALIDATION]}
    found["Validation scores"] = sorted(name for name in there if name.startswith("validation") and "loss" not in name)
    present = {title: [name for name in names if name in there] for title, names in found.items()}
    return {title: names for title, names in present.items() if names}


def training_loss(points: pd.DataFrame) -> pd.DataFrame:
    """The training loss of `of`: epoch, value, and `smooth`, the mean of a step's surroundings (a 15th of all).

    Steps beyond STEPS_SHOWN are shown in groups, by their means.
    """
    line = points.loc[points["series"] == TRAINING, ["epoch", "value"]].reset_index(drop=True)
    size = max(1, -(-len(line) // STEPS_SHOWN))
    grouped = line.groupby(line.index // size).mean()
    grouped["smooth"] = grouped["value"].rolling(max(1, len(grouped) // 15), center=True, min_periods=1).mean()
    return grouped


def by_epoch(points: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of `of` of some series, with `title`: how a chart names the series."""
    rows = points[points["series"].isin(names)].reset_index(drop=True)
    return rows.assign(title=[_title(name) for name in rows["series"]])


def latest(points: pd.DataFrame) -> dict[str, float]:
    """The newest value of each series, by its title: Training loss, Validation loss, Accuracy, …"""
    losses = {TRAINING: "Training loss", VALIDATION: "Validation loss"}
    newest = points.groupby("series", sort=False)["value"].last()
    return {losses.get(str(name)) or _title(str(name)): float(value) for name, value in newest.items()}


def in_words(runs: Mapping[str, pd.DataFrame], title: str) -> str:
    """A chart of SHOWN of several runs, for those who cannot see it: where each run's curve ends."""
    ends = [
        f"{name} ends at {figure(line['value'].iloc[-1])} after {line['epoch'].iloc[-1]:g} epochs"
        for name, points in runs.items()
        if len(line := points[points["series"] == SHOWN[title][-1]])
    ]
    return f"{title} over the epochs: {'; '.join(ends) or 'no epoch has ended yet'}."


def _title(series: str) -> str:
    """`F1 (macro)` for `validation f1 macro`."""
    name = series.removeprefix("validation ").replace(" ", "_")
    return METRICS[name].title if name in METRICS else name.replace("_", " ")
