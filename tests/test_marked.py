"""Marks are readable in both themes, say the same without colour, and whatever is in the text stays text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from core import explain, marked, theme
from core.explain import Explanation
from tests.test_theme import contrast

BLUE, RED = "#0072B2", "#D55E00"
NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><b style="x">',
    "a & b &lt;",
    "\0 \x1b[31m",
    "](x)",
]


class Shown(HTMLParser):
    """What a browser shows: the text, and which tags it stands in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.styles = "", set(), {}
        self._open: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data
        self.styles[data] = self._open[-1].get("style") or ""


def explained(text: str, weights: list[float]) -> Explanation:
    none = np.zeros(explain.DRAWS)
    return Explanation(text, explain.split(text), np.array(weights), 1, 0.0, 0.0, none, none)


def test_words_are_marked_by_what_they_did() -> None:
    shown = Shown(marked.words(explained("the lovely  dull\nplot was ok", [0.0, 2, -1.9, 0.8, -0.3, 0.1]), BLUE, RED))
    assert shown.text == "the lovely  dull\nplot was ok"
    assert "solid #0072B2" in shown.styles["lovely"]
    assert "dashed #D55E00" in shown.styles["dull"]
    assert [word for word, style in shown.styles.items() if "bold" in style] == ["lovely", "dull"]
    assert "solid" in shown.styles["plot"]
    assert "dashed" in shown.styles["was"]
    assert not any("border" in style for text, style in shown.styles.items() if "the" in text or "ok" in text)
    opacities = [
        int(re.search(r"#[0-9A-F]{6}([0-9A-F]{2});", shown.styles[word])[1], 16) for word in ("lovely", "plot", "was")
    ]  # type: ignore[index]
    assert opacities == sorted(opacities, reverse=True)


def test_no_word_is_marked_where_none_weighs_anything() -> None:
    assert Shown(marked.words(explained("a film", [0.0, 0.0]), BLUE, RED)).tags == {"p"}


@pytest.mark.parametrize("text", NASTY)
def test_a_text_is_never_html(text: str) -> None:
    found = explained(text, [1.0] * len(explain.split(text)))
    for html in (marked.words(found, BLUE, RED), marked.unread(text, ((1, len(text)),))):
        shown = Shown(html)
        assert shown.tags <= {"p", "span", "em"}
        assert text in shown.text.replace("[not read] ", "")


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("label", range(8))
def test_text_can_be_read_on_every_mark(look: str, label: int) -> None:
    colours, mark = theme.settings()[look], theme.label_colours(8)[label]
    for opacity in marked.SHADES.values():
        share = int(opacity, 16) / 255
        ground = mixed(mark, colours["backgroundColor"], share)
        assert contrast(colours["textColor"], ground) >= 4.5
    assert contrast(mixed(colours["textColor"], colours["backgroundColor"], 0.65), colours["backgroundColor"]) >= 4.5


def mixed(one: str, other: str, share: float) -> str:
    """So much of one colour on the other."""
    parts = [round(share * int(one[i : i + 2], 16) + (1 - share) * int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02X}" for part in parts)


def test_what_was_not_read_is_greyed_and_said() -> None:
    shown = Shown(marked.unread("read this not this but this", ((10, 18),)))
    assert shown.text == "read this [not read] not this but this"
    assert "opacity" in shown.styles[" not this"]
    assert "opacity" not in shown.styles["read this "]


def test_a_megabyte_that_was_not_read_is_not_shown() -> None:
    html = marked.unread("a" + "b" * 2**20, ((1, 1 + 2**20),))
    assert len(html) < 2 * marked.SHOWN
    assert f"({2**20 - marked.SHOWN:,} characters more)" in html
