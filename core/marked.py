"""Texts with marks, as HTML: words by what they did for a decision, and what was not read. Everything is escaped.

Colours lie under the text at a strength that leaves it readable in both themes; underlines say the same without them.
"""

from collections.abc import Sequence
from html import escape

from core.explain import NOTICED, Explanation
from core.reading import Piece

STRONG = 2 / 3
"""Share of the weightiest word's weight from which a word is bold."""
SHADES = {STRONG: "6B", 1 / 3: "42", NOTICED: "1F"}
"""From which share on the colour is how opaque, as hexadecimal digits."""
SHOWN = 1_000
"""Characters of an unread part that are shown; one can be a megabyte."""


def words(found: Explanation, carried: str, opposed: str) -> str:
    """The text with its words marked: those that carried the decision in one colour, those that opposed it in another.

    The colours are `#RRGGBB`. Solid lines are under words that carried it, broken ones under the others; the weightiest
    are bold.
    """
    parts, start = [], 0
    for (first, end), weight in zip(found.words, found.relative, strict=True):
        parts += [escape(found.text[start:first]), _word(found.text[first:end], weight, carried, opposed)]
        start = end
    return _paragraph([*parts, escape(found.text[start:])])


def unread(text: str, ranges: Piece) -> str:
    """The text with the parts greyed that were not read, and begun by a word that says so."""
    parts, start = [], 0
    for first, end in ranges:
        left_out = end - first - SHOWN
        more = f" … ({left_out:,} characters more)" if left_out > 0 else ""
        greyed = f"<em>[not read]</em> {escape(text[first : min(end, first + SHOWN)])}{more}"
        parts += [escape(text[start:first]), f'<span style="opacity:0.65">{greyed}</span>']
        start = end
    return _paragraph([*parts, escape(text[start:])])


def _word(text: str, weight: float, carried: str, opposed: str) -> str:
    """A word; `weight` is between -1 and 1."""
    shade = next((shade for least, shade in SHADES.items() if abs(weight) >= least), None)
    if shade is None:
        return escape(text)
    colour, line = (carried, "solid") if weight > 0 else (opposed, "dashed")
    bold = ";font-weight:bold" if abs(weight) >= STRONG else ""
    style = f"background-color:{colour}{shade};border-bottom:2px {line} {colour};border-radius:2px{bold}"
    return f'<span style="{style}">{escape(text)}</span>'


def _paragraph(parts: Sequence[str]) -> str:
    style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9"
    return f'<p dir="auto" style="{style}">{"".join(parts)}</p>'
