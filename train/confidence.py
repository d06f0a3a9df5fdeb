"""What `python -m bench.confidence` measured of runs -> the tables of the results page. Nothing in them is typed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.wording import figure, interval

FILE = "confidence.json"
"""Beside a run's kept record."""

WORDS = """Measured on the test split by `python -m bench.confidence RUN`; temperatures are fitted on validation.

*ECE* is the expected calibration error before and after the logits are divided by the temperature. An explanation is
*faithful* where its words beat nine of ten orders drawn by chance, as an order drawn by chance does in 18% of cases.
*Comprehensiveness* is how far the confidence falls without the weightiest 10, 20 and 50% of the words (more is better),
*sufficiency* how far it falls with nothing but them (less is better); both beside as many words drawn by chance.

An answer names as many labels as it must for the *asked* share of answers to hold the true one (split conformal
prediction), and always the likeliest one, so that more may be *found*. It is *sure* where it names one alone."""

EXPLAINED = (
    "recipe", "encoder", "temperature", "ECE before", "ECE after", "explanations", "faithful", "comprehensiveness",
    "by chance", "sufficiency", "by chance",
)  # fmt: skip
COVERED = ("recipe", "encoder", "asked", "found", "sure", "right of these")

Names = tuple[str, str]
"""Recipe and encoder."""


def read(folder: Path) -> dict[str, Any] | None:
    """What was measured of the run whose record is kept in `folder`; None where nothing was. Raises RunError."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise RunError(f"Its {FILE} is damaged: {error}") from None
    if found is not None and not isinstance(found, dict):
        raise RunError(f"Its {FILE} is damaged: it holds no JSON object.")
    return found


def explained(names: Names, found: Mapping[str, Any]) -> tuple[str, ...]:
    """A run's row of EXPLAINED."""
    words = found["explanations"]
    shares = ("faithful", "comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
    calibration = (found["temperature"], found["ece_before"], found["ece_after"])
    return (*names, *map(figure, calibration), f"{words['n']:,}", *(figure(words[key]) for key in shares))


def covered(names: Names, found: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """A run's rows of COVERED, one for each share that was asked for."""
    return [
        (
            *names,
            figure(each["asked"]),
            f"{figure(each['found'])} ({interval(each)})",
            figure(each["sure"]),
            figure(each["right"]),
        )
        for each in found["coverage"]
    ]
