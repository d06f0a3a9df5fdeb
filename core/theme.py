"""Colours and fonts, read from `.streamlit/config.toml`, for charts and for pictures made without a browser."""

import tomllib
from functools import cache
from typing import Any

from core.files import PROJECT


@cache
def settings() -> dict[str, Any]:
    """The file's `[theme]` table."""
    with (PROJECT / ".streamlit" / "config.toml").open("rb") as file:
        return dict(tomllib.load(file)["theme"])


def label_colours(n: int) -> list[str]:
    """One colour a label, the same wherever the label is shown; repeats after the eighth."""
    palette = settings()["chartCategoricalColors"]
    return [palette[index % len(palette)] for index in range(n)]


def shades() -> list[str]:
    """A ramp from nothing to much, light to dark."""
    return list(settings()["chartSequentialColors"])
