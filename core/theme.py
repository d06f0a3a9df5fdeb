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


def tint(colour: str) -> str:
    """The colour (`#RRGGBB`) mixed with two parts of white: dark letters can be read on it in both themes."""
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{(part + 2 * 255) // 3:02X}" for part in parts)
