"""Figures and sentences as people read them."""

import math
import re
from html import escape, unescape

import numpy as np
import pytest
from markdown_it import MarkdownIt

from core import views, wording
from core.explain import Explanation
from core.reading import Reading
from core.recipe import Example


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9352, "0.935"), (1.0, "1.00"), (0, "0"), (12.34, "12.3"), (123.4, "123"), (1230.0, "1,230"),
        (1234567.0, "1,234,567"), (0.01234, "0.0123"), (-0.5, "-0.500"), (0.000123, "0.000123"),
        (None, "–"), (float("nan"), "–"), (float("inf"), "–"),
        (0.9996, "1.00"), (9.999, "10.0"), (99.97, "100"),
    ],
)  # fmt: skip
def test_figures_have_three_significant_digits(value: float | None, shown: str) -> None:
    assert wording.figure(value) == shown


@pytest.mark.parametrize("value", [3e-7, -3e-7, 1e-9])
def test_a_small_figure_is_not_shown_as_nothing(value: float) -> None:
    assert re.search(r"[1-9]", wording.figure(value))


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_the_value_rounded(seed: int) -> None:
    for value in 10 ** np.random.default_rng(seed).uniform(-4, 3, 50):
        assert float(wording.figure(value)) == float(f"{value:.3g}")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"), ("+1+1", "'+1+1"), ("-1+1", "'-1+1"), ("@SUM(1)", "'@SUM(1)"), ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"), ("-", "'-"), ("-0.01", "-0.01"), ("+1,230", "+1,230"), ("-3%", "-3%"), ("a=1", "a=1"),
        ("", ""), ("–", "–"), (-1, -1), (None, None),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(cell: object, shown: object) -> None:
    assert wording.as_cell(cell) == shown


@pytest.mark.parametrize("text", ["a *b*", "a\n\nb", "  ![x](y)  \n# c", "<b>\t|"])
def test_a_line_is_one_line_of_text(text: str) -> None:
    assert MarkdownIt().renderInline(wording.as_line(text)) == escape(" ".join(text.split()))


def test_an_interval_is_two_figures() -> None:
    assert wording.interval({"low": 0.90661, "high": 0.95649}) == "0.907 to 0.956"


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1.0, "over 99.9%"), (0.9997, "over 99.9%"), (0.5, "50.0%"), (0.12345, "12.3%"), (0.0002, "under 0.1%"),
        (0, "under 0.1%"),
    ],
)  # fmt: skip
def test_certainty_is_never_claimed(share: float, shown: str) -> None:
    assert wording.percent(share) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain words", "<script>alert(1)</script>", "*a* _b_ `c` ~~d~~", "[a](http://b)", "![a](b)", "# head",
        "> quote", "a | b", "$x$ and $$y$$", ":red[x] :material/home:", "back\\slash \\* \\n", "&amp; &lt;b&gt; &#42;",
        "- item", "+ item", "1. item", "1) item", "a\n===", "a\n---", "---", "    code", "\tcode", "```\ncode\n```",
        "<!-- gone -->", "{{ x }}", "a  \nb", "https://example.org", "!", "\\",
    ],
)  # fmt: skip
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(wording.as_markdown(text))
    found = re.fullmatch(r"<p>(.*)</p>\n?", html, re.DOTALL)
    assert found, html
    shown = found[1].replace("<br />", "")
    assert "<" not in shown
    assert unescape(shown).split() == text.split()


def test_streamlits_own_markup_is_escaped() -> None:
    assert wording.as_markdown(":red[$x$]") == r"\:red\[\$x\$\]"


def reading(n_tokens: int = 5, n_read: int = 5, unknown: float = 0.0, mode: str = "head") -> Reading:
    return Reading(np.array([0.2, 0.8]), mode, "a film", n_tokens, n_read, (), 1, "a film", unknown, 0.01)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (reading(), []),
        (reading(unknown=0.5), []),
        (reading(unknown=0.6), ["hardly any of these words"]),
        (reading(12_345, 256), ["Only the beginning was read: 256 of 12,345 tokens"]),
        (reading(300, 256, mode="head and tail"), ["Only the beginning and the end were read"]),
        (reading(300, 256, 1.0), ["256 of 300 tokens", "hardly any"]),
    ],
)
def test_a_reader_is_warned(given: Reading, said: list[str]) -> None:
    found = wording.warnings(given)
    assert len(found) == len(said)
    assert all(words in warning for words, warning in zip(said, found, strict=True))


def test_an_example_is_named_by_what_makes_it_hard() -> None:
    assert wording.example_name(Example(text="a *film*")) == "a \\*film\\*"
    pair = Example(text="a film", text_pair="two\nlines", tag="irony")
    assert wording.example_name(pair) == "**irony** · a film / two lines"


def test_only_the_beginning_of_a_long_text_is_quoted() -> None:
    assert wording.beginning("a film") == "a film"
    assert wording.beginning("x" * 500) == "x" * 200 + " …"


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([2.0, -1.0], "Most for **neg\\_ative**: “\\<b\\>”. Most against it: “film”."),
        ([0.0, -1.0], "Most against it: “film”."),
        ([0.0, 0.0], "No word moves the answer."),
    ],
)
def test_why_is_said_in_words(weights: list[float], said: str) -> None:
    none = np.zeros(10)
    found = Explanation("<b> film", ((0, 3), (4, 8)), np.array(weights), 0, 0.5, -0.01, none + 0.1, none + 0.2)
    assert wording.why(found, "neg_ative") == said
    assert "changes by -50.0 points on average; without as many drawn by chance, by -10.0" in wording.faithfulness(
        found
    )
    assert "changes by +1.0 points; with as many drawn by chance alone, by -20.0" in wording.faithfulness(found)


def test_bars_have_words() -> None:
    bars = views.bars(np.array([0.1, 0.9]), ["negative", "positive"])
    assert wording.bars_in_words(bars) == "Confidence: positive 90.0%, negative 10.0%"


def test_an_example_shows_its_text_escaped_or_says_why_not() -> None:
    assert wording.example_text({"text": "a *b*", "text_pair": "<c>"}) == "a \\*b\\*\n\n\\<c\\>"
    assert wording.example_text({"text": "a", "text_pair": math.nan}) == "a"
    assert "not published" in wording.example_text({"text": math.nan})
    assert "not published" in wording.example_text({})


def test_a_time_is_shown_in_utc() -> None:
    assert wording.when("2026-11-21T06:52:09+00:00") == "21 November 2026, 06:52 UTC"
    assert wording.when("2026-01-01T01:30:00+02:00") == "31 December 2025, 23:30 UTC"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (45.4, "45 s"), (59.6, "0.993 min"), (90, "1.50 min"), (3599, "60.0 min"), (8640, "2.40 h")],
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["mrpc/20261121-165210-344b"], ["mrpc"]),
        (["mrpc/20261121-165210-344b", "sst2/20261121-173507-9d39"], ["mrpc", "sst2"]),
        (["mrpc/20261121-165210-344b", "mrpc/20261121-173821-01b4"], ["mrpc 344b", "mrpc 01b4"]),
        (["demo/x@c0ffee1234", "x/20261121-165210-344b"], ["demo/x@c0ffee1", "x"]),
        (["a/1-x", "a/2-x"], ["a/1-x", "a/2-x"]),
        ([], []),
    ],
)
def test_short_names_tell_all_apart(names: list[str], short: list[str]) -> None:
    assert list(wording.short_names(names).values()) == short
    assert list(wording.short_names(names)) == names
