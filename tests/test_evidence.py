"""What a verdict rests on, in words: stored verdicts, two runs, and a verification as a page."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from core import evidence, metrics, paired, verdict
from core.errors import RunError
from core.metrics import METRICS
from core.paired import Paired
from core.wording import figure
from tests.pairs import NAMES, noisy, of, table
from tests.test_results import finish
from train import __main__ as cli

BEFORE = {
    "kind": "different", "sentence": "So it is.", "n": 1234, "flips": 7, "lost": 5, "won": 2, "p_value": 0.453125,
    "max_probability_change": 0.1234, "smallest_gap": 6 / 1234,
    "metrics": [{"metric": "accuracy", "local": 0.5, "hub": 0.75, "difference": 0.25}],
}  # fmt: skip
"""A verdict as verifications held it before there were intervals, directions and a likely gap."""


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)


def test_the_paragraph_states_flips_test_and_gaps() -> None:
    said = evidence.paragraph(BEFORE | {"likely_gap": 0.0123})
    for words in (
        "1,234 examples", "7 decided differently (2 for the better, 5 for the worse; a churn of 0.6%)", "0.12",
        "p = 0.453", "can show is 0.00486", "one of 0.0123 is found four times in five",
    ):  # fmt: skip
        assert words in said
    assert "3 wrong both times" in evidence.paragraph(BEFORE | {"flips": 10})
    assert "four times in five" not in evidence.paragraph(BEFORE)
    assert "can show no difference in accuracy" in evidence.paragraph(BEFORE | {"smallest_gap": None})


def test_a_new_verdict_has_all_that_the_paragraph_needs() -> None:
    found = verdict.compare(*table(30, 9, 2, 10), NAMES, NAMES).to_json()
    said = evidence.paragraph(json.loads(json.dumps(found)))
    assert "51 examples compared; 11 decided differently (2 for the better, 9 for the worse; a churn of 21.6%)" in said
    assert f"one of {figure(paired.likely_gap(51, 11 / 51))} is found" in said


def conclude(counts: tuple[int, int, int, int]) -> tuple[Paired, tuple[str, ...]]:
    found = paired.compare(*table(*counts), NAMES)
    return found, evidence.conclusions(found, found.n, found.n)


@pytest.mark.parametrize(("counts", "better"), [((30, 0, 9, 10), "second"), ((30, 9, 0, 10), "first")])
def test_a_difference_beyond_chance_is_called_by_name(counts: tuple[int, int, int, int], better: str) -> None:
    found, said = conclude(counts)
    assert said[0] == "Both runs were tested on the same examples, 49 in number."
    assert f"Both have 30 of them right and 10 wrong; the first alone has {counts[1]} right" in said[1]
    assert f"The {better} is more accurate" in said[2]
    assert figure(found.of("accuracy").difference) in said[2]
    # All labels are the same here, so that there is no area; the loss is lower on the side that is right more often.
    assert said[4] == f"By F1 (macro) and Loss the {better} is better."


def test_a_difference_that_chance_explains_is_neither_called_nor_denied() -> None:
    _, said = conclude((30, 3, 2, 10))
    assert "Which of the two is more accurate cannot be said" in said[2]
    assert "Nor are they shown to be equal" in said[2]
    assert "they cannot be told apart" in said[4]


def test_equal_outcomes_and_few_examples_are_told() -> None:
    assert "right on the very same examples" in conclude((30, 0, 0, 10))[1][2]
    assert "no difference in accuracy at all" in conclude((3, 2, 0, 0))[1][3]


def test_only_shared_examples_are_spoken_of() -> None:
    found = paired.compare(noisy(50, 2, 1), noisy(50, 2, 2), NAMES)
    said = evidence.conclusions(found, 80, 50)[0]
    assert said.startswith("50 test examples are shared, of 80 that the first has and 50 that the second has")


def report_of(stored: dict[str, Any]) -> list[str]:
    """The cells of the tables of a report."""
    files = [
        {"path": "a|<b>.json", "problem": "", "sha256": "f" * 64},
        {"path": "c", "problem": "gone", "sha256": None},
    ]
    found = {
        "repo": "demo/x", "commit": "c" * 40, "compared_with": "tiny/1", "when": "2026-11-21T06:52:09+00:00",
        "verdict": stored, "files": files,
    }  # fmt: skip
    html = MarkdownIt("commonmark").enable("table").render(evidence.report(found))
    assert f"<h1>demo/x@{'c' * 40}</h1>" in html
    assert f"<strong>{stored['kind']}</strong>: {stored['sentence']}" in unescape(html)
    return [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html)]


FILES = ["c", "gone", "–", "not here", "a|<b>.json", "as published", "–", "f" * 64]


def test_a_report_lists_metrics_with_intervals_flips_and_files() -> None:
    names = ["<i>|", "*b*", "c\nd"]
    pair = (
        of([[1, 0, 0]] * 3 + [[0, 1, 0]], [0, 0, 1, 1]),
        of([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], [0, 0, 1, 1]),
    )
    found = verdict.compare(*pair, names, names)
    cells = report_of(json.loads(json.dumps(found.to_json())))
    assert found.evidence
    accuracy = found.evidence.of("accuracy")
    assert cells[:5] == ["Accuracy", "0.750", "0.500", "-0.250", f"{figure(accuracy.low)} to {figure(accuracy.high)}"]
    assert cells[5 * len(found.evidence.metrics) :] == [
        "<i>|", "<i>|", "*b*", "for the worse", "1", "*b*", "<i>|", "c d", "wrong both times", "1", *FILES,
    ]  # fmt: skip


def test_a_report_of_before_there_were_intervals_can_still_be_made() -> None:
    assert report_of(BEFORE) == ["Accuracy", "0.500", "0.750", "0.250", "–", *FILES]


def test_a_report_of_what_is_unverifiable_has_its_reason_and_files() -> None:
    assert report_of(verdict.unverifiable("A file is missing.").to_json()) == FILES


def call(*words: str) -> str:
    found = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_the_command_shows_verdict_tables_and_sentences(tiny: Path, no_runs: Path) -> None:
    one, other = finish(tiny, 1), finish(tiny, 2, ["training.epochs=3"])
    concluded = verdict.between(one.record, other.record)
    found = concluded.evidence
    assert found
    out = call("compare", one.name, other.name)
    assert f"First: {one.name}\nSecond: {other.name}\n" in out
    assert "Their recipes differ: seed 1 and 2; training.epochs 8 and 3." in out
    assert f"{concluded.kind}: {concluded.sentence}" in out
    assert all(sentence in out for sentence in evidence.conclusions(found, 60, 60))
    shown = [line.split() for line in out.splitlines() if METRICS["accuracy"].title in line]
    assert any(figure(found.of("accuracy").first) in words for words in shown)
    assert "for the better" in out


def test_the_command_compares_what_is_shared_of_different_data(tiny: Path, no_runs: Path) -> None:
    one, other = finish(tiny, 1, n=60), finish(tiny, 2, n=40)
    out = call("compare", one.name, other.name)
    assert "unverifiable: They were measured on different data" in out
    assert "40 test examples are shared, of 60 that the first has and 40 that the second has" in out


def test_a_run_can_be_compared_with_itself(tiny: Path, no_runs: Path) -> None:
    run = finish(tiny)
    out = call("compare", run.name, "tiny")
    assert "Their recipes are the same." in out
    assert "right on the very same examples" in out


def test_an_unfinished_run_is_not_compared(tiny: Path, no_runs: Path) -> None:
    one, other = finish(tiny, 1), finish(tiny, 2)
    (other.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="incomplete or damaged"):
        call("compare", one.name, other.name)
