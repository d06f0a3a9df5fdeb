"""The look as charts read it."""

import re

import pytest

from core import theme


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2, 0 to 1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_labels_colour_does_not_depend_on_how_many_there_are() -> None:
    assert theme.label_colours(2) == theme.label_colours(8)[:2]
    assert theme.label_colours(20)[8:16] == theme.label_colours(8)
    assert theme.label_colours(0) == []


def test_eight_labels_have_eight_colours() -> None:
    colours = theme.label_colours(8)
    assert len(set(colours)) == 8
    assert all(re.fullmatch(r"#[0-9A-Fa-f]{6}", colour) for colour in colours + theme.shades())


def test_shades_go_from_light_to_dark() -> None:
    found = [luminance(colour) for colour in theme.shades()]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.8 > 0.1 > found[-1]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_text_and_accent_can_be_read_on_the_background(look: str) -> None:
    colours = theme.settings()[look]
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(colours["textColor"], colours[ground]) >= 7
        assert contrast(colours["primaryColor"], colours[ground]) >= 4.5


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_first_two_labels_stand_out_from_the_background(look: str) -> None:
    for colour in theme.label_colours(2):
        assert contrast(colour, theme.settings()[look]["backgroundColor"]) >= 3
