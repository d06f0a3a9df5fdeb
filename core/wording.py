"""Figures and sentences as people read them. Pure."""

import re
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.metrics import WITHOUT_LEAKS

if TYPE_CHECKING:
    from core.predictor import Reading

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_ESCAPES = str.maketrans({character: f"\\{character}" for character in string.punctuation})


def figure(value: float | None) -> str:
    """Three significant digits, in plain notation: 0.935, 12.3, 1,230; at most six decimals."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = int(f"{value:.2e}".partition("e")[2])  # of the rounded value: 0.9996 is 1.00
    if exponent < -6:
        return "under 0.000001" if value > 0 else "over -0.000001"
    return f"{value:,.{min(max(0, 2 - exponent), 6)}f}"


def interval(entry: Mapping[str, float | None]) -> str:
    """`0.907 to 0.956`; a dash where there is none."""
    if pd.isna(entry["low"]):  # None becomes NaN in a frame
        return "–"
    return f"{figure(entry['low'])} to {figure(entry['high'])}"


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is, line by line: names, messages and reviews may hold anything."""
    # A line that begins with blanks would be code, and one that ends with two is not joined with the next.
    return "  \n".join(line.strip() for line in text.translate(_ESCAPES).splitlines())


def as_line(text: str) -> str:
    """The same on one line, as a row of a table or the name of a button is."""
    return as_markdown(" ".join(text.split()))


def as_cell(value: Any) -> Any:
    """Text that a spreadsheet shows as it is: what begins like a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def percent(share: float) -> str:
    """A share in percent; certainty is never claimed: 99.97% is `over 99.9%`."""
    if share > 0.999:
        return "over 99.9%"
    if share < 0.001:
        return "under 0.1%"
    return f"{share:.1%}"


def when(stamp: str | datetime) -> str:
    """`21 November 2026, 06:52 UTC`, from a time that knows its zone, or from ISO 8601."""
    moment = (datetime.fromisoformat(stamp) if isinstance(stamp, str) else stamp).astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def bars_in_words(bars: pd.DataFrame) -> str:
    """The confidence bars for those who cannot see them."""
    return "Confidence: " + ", ".join(f"{row.label} {row.shown}" for row in bars.itertuples())


def warnings(reading: "Reading") -> list[str]:
    """What a reader of a classification must know."""
    found = []
    if reading.n_read < reading.n_tokens:
        found.append(
            f"Only the beginning was read: {reading.n_read:,} of {reading.n_tokens:,} tokens (pieces of words). "
            "The rest of the text played no part."
        )
    if reading.unknown > 0.5:
        found.append("The model knows hardly any of these words or signs, so its answer means little.")
    return found


def beside(row: Mapping[str, Any]) -> str:
    """A score's interval and baselines, each on a line: `0.907 to 0.956`, `TF-IDF 0.84`, `majority 0.5`."""
    return f"{interval(row)}  \nTF-IDF {figure(row['tfidf'])}  \nmajority {figure(row['majority'])}"


def leaks(splits: Mapping[str, Mapping[str, Any]]) -> str:
    """What becomes of the test accuracy without the texts that were read before; empty where there are none."""
    if WITHOUT_LEAKS not in splits:
        return ""
    without = splits[WITHOUT_LEAKS]
    accuracy, n = without["accuracy"], without["n"]
    return (
        f"Of the test texts, {splits['test']['n'] - n:,} stand in training or validation, too. "
        f"Without them, accuracy is {figure(accuracy['value'])} (95% interval {interval(accuracy)}, {n:,} examples)."
    )


def example_text(row: Mapping[str, Any]) -> str:
    """An example's text, or why there is none."""
    if not isinstance(row.get("text"), str):
        return "*The text is not published with this model, and the data set is not on this machine.*"
    pair = row.get("text_pair")
    return as_markdown(row["text"]) + (f"\n\n{as_markdown(pair)}" if isinstance(pair, str) and pair else "")
