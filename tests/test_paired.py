"""Two runs' predictions -> what can be concluded: against scikit-learn, plain resampling, and simulation."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from typer.testing import CliRunner

from core import metrics, paired, verdict
from core.errors import RunError
from core.metrics import METRICS, Outcome
from core.paired import COMPARED, Paired
from core.predictions import Predictions
from core.wording import figure
from tests.test_results import finish
from tests.test_verdict import NAMES, first, renamed, shuffled, table, with_first
from train import __main__ as cli


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 60)


def noisy(n: int, k: int, seed: int, *, skill: float = 1.2, steps: float = 0.0) -> Predictions:
    """Predictions of k labels for the same n examples whatever the seed; `steps` rounds them, so that scores tie."""
    labels = np.random.default_rng(0).integers(0, k, n)
    logits = np.random.default_rng(seed).normal(size=(n, k)) + skill * np.eye(k)[labels]
    return Predictions(
        id=np.array([f"r{row}" for row in range(n)]),
        text_sha256=np.array([f"{row:064x}" for row in range(n)]),
        label=labels.astype(np.int64),
        logits=(np.round(logits / steps) * steps if steps else logits).astype(np.float32),
        n_tokens=np.full(n, 5),
        truncated=np.zeros(n, dtype=bool),
    )


def names(k: int) -> list[str]:
    return [f"label {n}" for n in range(k)]


def compare(one: Predictions, other: Predictions) -> Paired:
    return paired.compare(one, other, NAMES, NAMES)


@pytest.mark.parametrize("counts", [(30, 0, 0, 10), (30, 1, 0, 10), (30, 6, 0, 0), (3, 2, 9, 4), (0, 0, 0, 5)])
def test_counts_and_test_are_those_of_the_four_outcomes(counts: tuple[int, int, int, int]) -> None:
    found = compare(*table(*counts))
    assert (found.both, found.only_first, found.only_second, found.neither) == counts
    assert found.n == found.n_first == found.n_second == sum(counts)
    discordant = counts[1] + counts[2]
    expected = binomtest(counts[1], discordant, 0.5).pvalue if discordant else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.smallest_gap == verdict.smallest_gap(sum(counts))


def by_plain_resampling(one: Predictions, other: Predictions, name: str) -> tuple[float, float]:
    """The same draws, each figure by the project's own metric on the drawn rows."""
    rng, differences = np.random.default_rng(metrics.SEED), []
    for _ in range(metrics.RESAMPLES):
        rows = rng.integers(0, len(one), len(one))
        before, after = (
            METRICS[name].compute(Outcome.of_logits(side.logits[rows], one.label[rows])) for side in (one, other)
        )
        if before is not None and after is not None:
            differences.append(after - before)
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("steps", [0.0, 0.7], ids=["different scores", "many equal scores"])
@pytest.mark.parametrize(("n", "k"), [(200, 2), (200, 5), (12, 3)])
def test_intervals_are_those_of_a_plain_paired_bootstrap(n: int, k: int, steps: float) -> None:
    one, other = noisy(n, k, 1, steps=steps), noisy(n, k, 2, steps=steps)
    found = paired.compare(one, other, names(k), names(k))
    assert tuple(each.metric for each in found.differences) == COMPARED
    ours, theirs = (metrics.values(Outcome.of_logits(each.logits, each.label)) for each in (one, other))
    for each in found.differences:
        assert (each.first, each.second) == (ours[each.metric], theirs[each.metric])
        assert each.difference == each.second - each.first
        expected = by_plain_resampling(one, other, each.metric)
        assert (each.low, each.high) == pytest.approx(expected, rel=1e-9, abs=1e-12), each.metric


def test_neither_the_order_of_examples_nor_that_of_labels_matters() -> None:
    one, other = noisy(80, 2, 1), noisy(80, 2, 2)
    assert paired.compare(one, renamed(shuffled(other)), NAMES, NAMES[::-1]) == compare(one, other)


def test_only_shared_examples_are_compared() -> None:
    one, other = noisy(80, 2, 1), noisy(80, 2, 2)
    part = compare(one, first(other, 50))
    assert (part.n, part.n_first, part.n_second) == (50, 80, 50)
    assert part.differences == compare(first(one, 50), first(other, 50)).differences
    assert part.sentences[0].startswith("50 test examples are shared, of 80 that the first has and 50")


def test_an_id_with_another_text_is_another_example() -> None:
    one, other = noisy(80, 2, 1), noisy(80, 2, 2)
    assert compare(one, with_first(other, "text_sha256", "f" * 64)).n == 79
    assert compare(one, with_first(other, "id", "another")).n == 79


@pytest.mark.parametrize(
    ("change", "labels", "said"),
    [
        ({"id": np.array([f"x{row}" for row in range(10)])}, NAMES, "No example is shared: of 10 and 10"),
        ({"label": np.ones(10, dtype=np.int64)}, NAMES, "10 of 10 shared examples have different true labels"),
        ({}, ("bad", "good"), "The labels differ(.*)negative, positive in the first, bad, good in the second"),
    ],
    ids=["other examples", "other true labels", "other label names"],
)
def test_what_cannot_be_compared_is_told(change: dict[str, Any], labels: tuple[str, str], said: str) -> None:
    one, other = table(5, 2, 2, 1)
    with pytest.raises(RunError, match=said):
        paired.compare(one, dataclasses.replace(other, **change), NAMES, labels)


@pytest.mark.parametrize(("counts", "better"), [((30, 0, 9, 10), "second"), ((30, 9, 0, 10), "first")])
def test_a_difference_beyond_chance_is_called_by_name(counts: tuple[int, int, int, int], better: str) -> None:
    found = compare(*table(*counts))
    assert f"The {better} is more accurate" in found.sentences[2]
    # All labels are the same here, so that there is no area; the loss is lower on the side that is right more often.
    assert [each.better for each in found.differences] == [better] * 3
    assert found.sentences[4] == f"By F1 (macro) and Loss the {better} is better."


def test_a_difference_that_chance_explains_is_neither_called_nor_denied() -> None:
    found = compare(*table(30, 3, 2, 10))
    assert "Which of the two is more accurate cannot be said" in found.sentences[2]
    assert "Nor are they shown to be equal" in found.sentences[2]
    assert "they cannot be told apart" in found.sentences[4]
    assert not any(each.better for each in found.differences)


def test_the_same_predictions_do_not_differ() -> None:
    one = noisy(60, 3, 1)
    found = paired.compare(one, one, names(3), names(3))
    assert {(each.difference, each.low, each.high) for each in found.differences} == {(0.0, 0.0, 0.0)}
    assert "right on the very same examples" in found.sentences[2]


def test_few_examples_are_said_to_show_nothing() -> None:
    found = compare(*table(3, 2, 0, 0))
    assert (found.smallest_gap, found.likely_gap) == (None, None)
    assert "no difference in accuracy at all" in found.sentences[3]


@pytest.mark.parametrize(("n", "disagreement"), [(400, 0.2), (400, 0.03), (25_000, 0.08), (872, 0.0)])
def test_the_likely_gap_is_found_four_times_in_five(n: int, disagreement: float) -> None:
    gap = paired.likely_gap(n, disagreement)
    smallest = verdict.smallest_gap(n)
    assert gap is not None
    assert smallest is not None
    assert gap > smallest
    rng, discordant = np.random.default_rng(5), max(disagreement, gap)
    shares = [(discordant + gap) / 2, max(0.0, (discordant - gap) / 2), 1 - discordant]
    draws = rng.multinomial(n, np.array(shares) / sum(shares), 4000)
    one, other = draws[:, 0], draws[:, 1]
    p_values = np.minimum(1, 2 * binom.cdf(np.minimum(one, other), one + other, 0.5))
    assert 0.72 < (p_values <= verdict.ALPHA).mean() < 0.9


def test_no_gap_is_likely_to_be_found_among_too_few() -> None:
    assert paired.likely_gap(7, 0.5) is None


@pytest.mark.parametrize("n", [1, 2, 3, 30])
@pytest.mark.parametrize("k", [2, 4])
def test_a_comparison_can_be_stored(n: int, k: int) -> None:
    found = paired.compare(noisy(n, k, 1), noisy(n, k, 2), names(k), names(k))
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["n"] == n
    assert stored["sentences"] == list(found.sentences)
    assert [each["metric"] for each in stored["differences"]] == [each.metric for each in found.differences]


def call(*words: str) -> str:
    found = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_the_command_shows_the_table_and_the_sentences(tiny: Path, no_runs: Path) -> None:
    one, other = finish(tiny, 1), finish(tiny, 2, ["training.epochs=3"])
    found = paired.compare(one.record.predictions(), other.record.predictions(), one.record.labels, other.record.labels)
    out = call("compare", one.name, other.name)
    assert f"First: {one.name}\nSecond: {other.name}\n" in out
    assert "Their recipes differ: seed 1 and 2; training.epochs 8 and 3." in out
    assert all(sentence in out for sentence in found.sentences)
    shown = [line.split() for line in out.splitlines() if METRICS["accuracy"].title in line]
    assert any(figure(found.differences[0].first) in words for words in shown)


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
