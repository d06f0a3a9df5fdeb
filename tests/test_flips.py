"""Flips of a stored verdict: kind by kind, one by one, and as a chart that can be clicked."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import flip_chart, flips, metrics, paired, theme, verdict
from tests.pairs import names, noisy, of
from tests.test_evidence import BEFORE

SIDES = ("Local", "Hub")


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)


def stored(k: int = 3) -> dict[str, Any]:
    """A verdict of k labels as it is read back from a verification."""
    found = verdict.compare(noisy(80, k, 1), noisy(80, k, 2), names(k), names(k)).to_json()
    return dict(json.loads(json.dumps(found)))


def test_the_matrix_holds_every_flip_once_the_most_frequent_first() -> None:
    found = stored()
    cells = flips.matrix(found)
    assert cells["n"].sum() == found["flips"]
    assert cells["n"].is_monotonic_decreasing
    assert cells["flip"].is_unique
    effects = cells.groupby("effect")["n"].sum()
    assert (effects["better"], effects["worse"]) == (found["won"], found["lost"])
    signs = {"better": "+", "worse": "−", "other": "±"}
    assert list(cells["shown"]) == [f"{signs[row.effect]}{row.n}" for row in cells.itertuples()]
    first = cells.iloc[0]
    assert f"{first['flip']}: {first['n']} {first['effect']}" in flips.in_words(cells)


def test_verdicts_without_flips_have_an_empty_matrix() -> None:
    assert flips.matrix(BEFORE).empty
    assert flips.matrix(verdict.unverifiable("So it is.").to_json()).empty


@pytest.mark.parametrize("k", [2, 3])
def test_the_examples_of_all_kinds_are_all_flipped_examples(k: int) -> None:
    found = stored(k)
    first, second = noisy(80, k, 1), noisy(80, k, 2)
    every = flips.examples(found, None)
    assert set(every["id"]) == set(first.id[first.decisions != second.decisions])
    for row in every.to_dict("records"):
        place = list(first.id).index(row["id"])
        assert row["true"] == names(k)[first.label[place]]
        assert row["first"] == names(k)[first.decisions[place]]
        assert row["second_confidence"] == pytest.approx(second.probabilities[place].max())
    sure = np.minimum(every["first_confidence"], every["second_confidence"])
    assert pd.Series(sure).is_monotonic_decreasing
    for cell in flips.matrix(found).to_dict("records"):
        chosen = flips.examples(found, None, cell["flip"])
        assert len(chosen) == cell["n"]
        assert set(chosen["true"]) == {cell["true"]}


def test_the_examples_have_their_texts_where_these_can_be_had() -> None:
    found = stored(2)
    texts = pd.DataFrame({"text": [f"text {n}" for n in range(80)]}, index=[f"r{n}" for n in range(80)])
    shown = flips.examples(found, texts)
    assert list(shown["text"]) == [f"text {name[1:]}" for name in shown["id"]]
    assert "text" not in flips.examples(found, None)


def test_so_many_flips_are_kept_and_the_others_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "KEPT", 5)
    found = stored(2)
    shown = flips.examples(found, None)
    assert len(shown) == 5
    said = flips.count_in_words(found, len(shown), 3)
    assert said.startswith(f"{found['flips']} flipped examples; the 5 of which")
    assert "3 of them are listed" in said


@pytest.mark.parametrize(
    ("n", "listed", "said"),
    [(1, 10, "1 flipped example."), (12, 10, "12 flipped examples; the 10 of which"), (7, 10, "7 flipped examples.")],
)
def test_flips_are_counted_in_words(n: int, listed: int, said: str) -> None:
    each = {"true": "a", "first": "a", "second": "b", "n": n}
    found = {"flips": n, "flipped": [each], "flipped_examples": []}
    assert flips.count_in_words(found, n, listed).startswith(said)
    assert flips.count_in_words(found, n, listed, flips.kind(each)).startswith(said)


def test_a_verification_of_before_examples_were_kept_says_so() -> None:
    assert "verify again" in flips.count_in_words(BEFORE, 0, 10)


def test_a_caption_says_what_both_sides_say_and_nothing_in_it_is_markdown() -> None:
    row = {
        "id": "*r1*", "true": "a_b", "first": "a_b", "second": "<b>", "first_confidence": 0.931,
        "second_confidence": 0.9999,
    }  # fmt: skip
    assert flips.caption(row, SIDES) == (r"Local: a\_b, 93.1% sure · Hub: \<b\>, over 99.9% sure · true: a\_b · \*r1\*")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"selection": {"clicked": [{"flip": "a: a → b"}]}}, "a: a → b"),
        ({"selection": {"clicked": []}}, None),
        ({"selection": {}}, None),
        ({}, None),
    ],
)
def test_a_click_names_a_kind(event: dict[str, Any], kind: str | None) -> None:
    assert flips.clicked(event) == kind


@pytest.mark.parametrize("k", [2, 5])
def test_the_chart_is_valid_and_says_in_words_what_its_colours_say(k: int) -> None:
    cells = flips.matrix(stored(k))
    spec = flip_chart.difference_matrix(cells, names(k)).to_dict(validate=True)
    assert [each["name"] for each in spec["params"]] == [flips.CLICKED]
    squares, figures = spec["layer"]
    assert squares["encoding"]["x"]["scale"]["domain"] == names(k)
    assert squares["encoding"]["color"]["scale"]["domain"] == list(flips.EFFECTS)
    assert figures["encoding"]["text"]["field"] == "shown"
    (rows,) = spec["datasets"].values()
    assert {row["flip"] for row in rows} == set(cells["flip"])


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_the_figures_can_be_read_on_their_colours_in_both_themes() -> None:
    spec = flip_chart.difference_matrix(flips.matrix(stored()), names(3)).to_dict()
    squares, figures = spec["layer"]
    ink = luminance(figures["mark"]["color"])
    for colour in squares["encoding"]["color"]["scale"]["range"]:
        assert (luminance(colour) + 0.05) / (ink + 0.05) >= 4.5


def test_a_tint_is_two_thirds_white() -> None:
    assert theme.tint("#000000") == "#AAAAAA"
    assert theme.tint("#FFFFFF") == "#FFFFFF"
    assert theme.tint("#D55E00") == "#F1C9AA"


def test_two_models_that_agree_flip_nothing() -> None:
    found = verdict.compare(of([[1, 0], [0, 1]], [0, 1]), of([[2, 0], [0, 1]], [0, 1]), names(2), names(2)).to_json()
    assert flips.matrix(found).empty
    assert flips.examples(found, None).empty
