"""Flips: what two sides decide differently, as a confusion matrix of the difference and example by example. Pure.

They come from a stored verdict (verdict.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.wording import as_line, percent

CLICKED = "clicked"
"""Name of the matrix's selection."""
STEP = 5
"""Examples that are listed at first, and at each step more."""
EFFECTS = {"better": "+", "worse": "−", "other": "±"}
"""What a flip does: the second side alone is right, the first alone, or neither (from one wrong label to another)."""


def matrix(verdict: Mapping[str, Any]) -> pd.DataFrame:
    """A row a kind of flip, the most frequent first: true, change, n, effect, shown, and `flip`, which names the kind.

    Empty where nothing flips, and for verdicts of before flips were counted by kind.
    """
    kinds = sorted(verdict.get("flipped", ()), key=lambda each: -each["n"])
    rows = [
        {
            "true": each["true"],
            "change": f"{each['first']} → {each['second']}",
            "n": each["n"],
            "effect": effect(each),
            "shown": f"{EFFECTS[effect(each)]}{each['n']:,}",
            "flip": kind(each),
        }
        for each in kinds
    ]
    return pd.DataFrame(rows, columns=["true", "change", "n", "effect", "shown", "flip"])


def kind(flip: Mapping[str, Any]) -> str:
    """How a kind of flip is named, in the URL too: `negative: positive → negative`, the true label first."""
    return f"{flip['true']}: {flip['first']} → {flip['second']}"


def effect(flip: Mapping[str, Any]) -> str:
    """One of EFFECTS."""
    return {flip["second"]: "better", flip["first"]: "worse"}.get(flip["true"], "other")


def clicked(event: Mapping[str, Any]) -> str | None:
    """The kind of flip that a selection on the matrix holds; None when it was cleared."""
    cells = event.get("selection", {}).get(CLICKED) or []
    return str(cells[0]["flip"]) if cells else None


def examples(verdict: Mapping[str, Any], texts: pd.DataFrame | None, chosen: str | None = None) -> pd.DataFrame:
    """The flipped examples, of one kind or of all, those first of which both sides were the surest.

    A row holds what paired.Flipped does, and the text (and text_pair) where texts, indexed by id, are given.
    """
    kept = [each for each in verdict.get("flipped_examples", ()) if chosen in (None, kind(each))]
    columns = ["id", "true", "first", "second", "first_confidence", "second_confidence"]
    shown = pd.DataFrame(kept, columns=columns)
    if texts is None:
        return shown
    return shown.join(texts[[column for column in ("text", "text_pair") if column in texts]], on="id")


def in_words(cells: pd.DataFrame) -> str:
    """The matrix for those who cannot see it."""
    listed = [f"{row.flip}: {row.n:,} {row.effect}" for row in cells.itertuples()]
    return f"Decisions that changed, true label first. {'; '.join(listed)}."


def legend(sides: Sequence[str]) -> str:
    """What the signs in the matrix mean."""
    one, other = sides
    return (
        f"How many decisions changed from {one} to {other}, by their true label: + for the better ({other} is right), "
        "− for the worse, ± wrong both times. Click a cell to read its examples."
    )


def count_in_words(verdict: Mapping[str, Any], n: int, listed: int, chosen: str | None = None) -> str:
    """How many flips there are, of one kind or of all, and how many of them can be read."""
    if "flipped_examples" not in verdict:
        return "This verification is of before flipped examples were kept: verify again to read them."
    of_kind = {kind(each): each["n"] for each in verdict["flipped"]}
    total = of_kind.get(chosen, 0) if chosen else verdict["flips"]
    said = f"{total:,} flipped example{'' if total == 1 else 's'}"
    surest = " of which both sides were the surest"
    if n < total:
        return f"{said}; the {n:,}{surest} were kept, and {min(n, listed):,} of them are listed."
    return f"{said}; the {listed:,}{surest} are listed." if n > listed else f"{said}."


def caption(row: Mapping[str, Any], sides: Sequence[str]) -> str:
    """What both sides say of an example: `Local: negative, 93.1% sure · Hub: positive, … · true: positive · r12`."""
    said = [
        f"{side}: {as_line(row[key])}, {percent(row[f'{key}_confidence'])} sure"
        for side, key in zip(sides, ("first", "second"), strict=True)
    ]
    return " · ".join([*said, f"true: {as_line(row['true'])}", as_line(row["id"])])
