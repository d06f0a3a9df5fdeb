"""What tells two sides apart: against scikit-learn, plain resampling, and simulation."""

import json
from collections import defaultdict
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from sklearn.metrics import confusion_matrix

from core import metrics, paired
from core.metrics import METRICS, Outcome
from core.paired import Paired
from core.predictions import Predictions
from tests.pairs import NAMES, made, names, noisy, of, table


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)


def compare(one: Predictions, other: Predictions) -> Paired:
    return paired.compare(one, other, NAMES)


@pytest.mark.parametrize("counts", [(30, 0, 0, 10), (30, 1, 0, 10), (30, 6, 0, 0), (3, 2, 9, 4), (0, 0, 0, 5)])
def test_counts_and_test_are_those_of_the_four_outcomes(counts: tuple[int, int, int, int]) -> None:
    found = compare(*table(*counts))
    assert (found.both, found.lost, found.won, found.neither) == counts
    assert found.n == sum(counts)
    discordant = counts[1] + counts[2]
    expected = binomtest(counts[1], discordant, 0.5).pvalue if discordant else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.smallest_gap == paired.smallest_gap(sum(counts))
    assert found.likely_gap == paired.likely_gap(sum(counts), discordant / sum(counts))
    assert found.flips == discordant
    assert found.churn == discordant / sum(counts)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_flips_are_counted_by_true_label_and_pair_of_decisions(k: int) -> None:
    one, other = noisy(300, k, 1), noisy(300, k, 2)
    found = paired.compare(one, other, names(k))
    assert found.flips == sum(each.n for each in found.flipped) == (one.decisions != other.decisions).sum() > 0
    assert found.lost == sum(each.n for each in found.flipped if each.true == each.first)
    assert found.won == sum(each.n for each in found.flipped if each.true == each.second)
    cells = np.zeros((k, k, k), dtype=int)
    for each in found.flipped:
        cells[names(k).index(each.true), names(k).index(each.first), names(k).index(each.second)] += each.n
    for label in range(k):
        rows = one.label == label
        expected = confusion_matrix(one.decisions[rows], other.decisions[rows], labels=range(k))
        np.testing.assert_array_equal(cells[label], expected - np.diag(np.diag(expected)))


def test_flips_between_wrong_labels_are_neither_won_nor_lost() -> None:
    found = paired.compare(of([[0, 1, 0]] * 8, [0] * 8), of([[0, 0, 1]] * 8, [0] * 8), "abc")
    assert [asdict(each) for each in found.flipped] == [{"true": "a", "first": "b", "second": "c", "n": 8}]
    assert (found.flips, found.lost, found.won, found.neither, found.p_value) == (8, 0, 0, 8, 1.0)


def by_plain_resampling(one: Predictions, other: Predictions) -> dict[str, Any]:
    """Intervals from the same draws, each figure by the project's own metrics on the drawn rows."""
    rng = np.random.default_rng(metrics.SEED)
    differences: dict[str, list[float]] = defaultdict(list)
    for _ in range(metrics.RESAMPLES):
        rows = rng.integers(0, len(one), len(one))
        before, after = (metrics.values(Outcome.of_logits(side.logits[rows], one.label[rows])) for side in (one, other))
        for name in before:
            differences[name].append(after[name] - before[name])
    return {name: tuple(np.percentile(draws, [2.5, 97.5]).tolist()) for name, draws in differences.items()}


@pytest.mark.parametrize("steps", [0.0, 0.7], ids=["different scores", "many equal scores"])
@pytest.mark.parametrize(("n", "k"), [(200, 2), (200, 5), (12, 3)])
def test_intervals_are_those_of_a_plain_paired_bootstrap(n: int, k: int, steps: float) -> None:
    one, other = noisy(n, k, 1, steps=steps), noisy(n, k, 2, steps=steps)
    found = paired.compare(one, other, names(k))
    ours, theirs = (metrics.values(Outcome.of_logits(each.logits, each.label)) for each in (one, other))
    assert [each.metric for each in found.metrics] == list(ours)
    expected = by_plain_resampling(one, other)
    del expected["expected_calibration_error"]  # no resample is a fair copy of it
    for each in found.metrics:
        assert (each.first, each.second) == (ours[each.metric], theirs[each.metric])
        assert each.difference == each.second - each.first
    found_bounds = {each.metric: (each.low, each.high) for each in found.metrics}
    assert found_bounds.pop("expected_calibration_error") == (None, None)
    assert found_bounds.keys() == expected.keys()
    for name, bounds in found_bounds.items():
        assert bounds == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name


def test_the_same_predictions_do_not_differ() -> None:
    one = noisy(60, 3, 1)
    found = paired.compare(one, noisy(60, 3, 1), names(3))
    assert (found.flips, found.flipped, found.max_probability_change, found.p_value) == (0, (), 0.0, 1.0)
    assert {each.difference for each in found.metrics} == {0.0}
    assert {(each.low, each.high) for each in found.metrics if METRICS[each.metric].resampled} == {(0.0, 0.0)}
    assert (found.of("accuracy").low, found.of("accuracy").high) == (0.0, 0.0)


def test_the_same_decisions_with_other_probabilities_have_intervals_of_their_own() -> None:
    one = noisy(60, 2, 1)
    found = compare(one, replace(one, logits=one.logits * 2))
    assert found.flips == 0
    assert (found.of("accuracy").low, found.of("accuracy").high) == (0.0, 0.0)
    loss = found.of("loss")
    assert loss.low is not None
    assert loss.high is not None
    assert loss.low < loss.difference < loss.high


def test_the_largest_change_of_a_probability_is_found() -> None:
    one, other = made([0, 1], [0, 1], margin=2.0), made([0, 1], [0, 1], margin=2.001)
    assert compare(one, other).max_probability_change == np.abs(one.probabilities - other.probabilities).max() > 0


@pytest.mark.parametrize(("counts", "better"), [((30, 0, 9, 10), "second"), ((30, 9, 0, 10), "first")])
def test_the_better_side_is_named_where_the_interval_leaves_zero_out(
    counts: tuple[int, int, int, int], better: str
) -> None:
    found = compare(*table(*counts))
    # The loss is lower on the side that is right more often.
    assert {found.of(name).better for name in ("accuracy", "f1_macro", "loss")} == {better}
    assert found.of("expected_calibration_error").better == ""
    assert {each.better for each in compare(*table(30, 3, 2, 10)).metrics} == {""}


@pytest.mark.parametrize(("n", "disagreement"), [(400, 0.2), (400, 0.03), (25_000, 0.08), (872, 0.0)])
def test_the_likely_gap_is_found_four_times_in_five(n: int, disagreement: float) -> None:
    gap = paired.likely_gap(n, disagreement)
    smallest = paired.smallest_gap(n)
    assert gap is not None
    assert smallest is not None
    assert gap > smallest
    rng, discordant = np.random.default_rng(5), max(disagreement, gap)
    shares = [(discordant + gap) / 2, max(0.0, (discordant - gap) / 2), 1 - discordant]
    draws = rng.multinomial(n, np.array(shares) / sum(shares), 4000)
    one, other = draws[:, 0], draws[:, 1]
    p_values = np.minimum(1, 2 * binom.cdf(np.minimum(one, other), one + other, 0.5))
    assert 0.72 < (p_values <= paired.ALPHA).mean() < 0.9


def test_no_gap_is_likely_to_be_found_among_too_few() -> None:
    assert paired.likely_gap(7, 0.5) is None


@pytest.mark.parametrize(("n", "gap"), [(1, None), (5, None), (6, 1.0), (7, 6 / 7), (32, 6 / 32), (1000, 0.006)])
def test_the_smallest_gap_is_six_flips(n: int, gap: float | None) -> None:
    assert paired.smallest_gap(n) == gap
    if gap is not None:
        right = round(n * gap)
        assert compare(*table(n - right, right, 0, 0)).p_value <= paired.ALPHA
        assert compare(*table(n - right + 1, right - 1, 0, 0)).p_value > paired.ALPHA


@pytest.mark.parametrize("n", [1, 2, 3, 30])
@pytest.mark.parametrize("k", [2, 4])
def test_what_is_found_fits_into_json(n: int, k: int) -> None:
    found = paired.compare(noisy(n, k, 1), noisy(n, k, 2), names(k))
    stored = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert stored["n"] == n
    assert [each["metric"] for each in stored["metrics"]] == [each.metric for each in found.metrics]
    assert sum(each["n"] for each in stored["flipped"]) == found.flips
