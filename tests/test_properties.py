"""What holds for every verdict, whatever the predictions: searched for counterexamples, always the same ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, bootstrap, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import NormalIndPower

from core import metrics, paired, verdict
from core.metrics import Outcome
from core.paired import Difference, Paired
from core.predictions import Predictions
from core.verdict import Kind, Verdict
from tests.pairs import names, of, relabelled, table

settings.register_profile("quick", derandomize=True, database=None, deadline=None, max_examples=30)
settings.load_profile("quick")

SAME = {"model.safetensors": ("a", "a")}
CHANGED = {"model.safetensors": ("a", "b")}


@pytest.fixture(autouse=True, scope="module")
def _few_resamples() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "RESAMPLES", 15)
        yield


def logits(n: int, k: int, *, ties: bool) -> st.SearchStrategy[Any]:
    """(n, k) outputs; of coarse ones many are equal, of the others none in a row."""
    if ties:
        return arrays(np.float32, (n, k), elements=st.integers(-2, 2).map(float))
    row = st.permutations([round(0.37 * place, 2) for place in range(4 * k)]).map(lambda values: values[:k])
    return st.lists(row, min_size=n, max_size=n).map(lambda rows: np.array(rows, dtype=np.float32))


@st.composite
def pairs(draw: st.DrawFn, *, ties: bool = True) -> tuple[Predictions, Predictions]:
    """Two sides' predictions of the same examples; now and then the very same ones."""
    n, k = draw(st.integers(1, 24)), draw(st.integers(2, 4))
    labels = draw(arrays(np.int64, n, elements=st.integers(0, k - 1)))
    one = draw(logits(n, k, ties=ties))
    other = draw(st.one_of(logits(n, k, ties=ties), st.just(one)))
    return of(one, labels), of(other, labels)


def width(found: Predictions) -> int:
    return int(found.logits.shape[1])


def compare(one: Predictions, other: Predictions, files: verdict.Hashes = SAME) -> Verdict:
    return verdict.compare(one, other, names(width(one)), names(width(one)), files)


def evidence(found: Verdict) -> Paired:
    assert found.evidence
    return found.evidence


def assert_mirrored(there: Paired, back: Paired, *, leave_out: str = "nothing") -> None:
    """Second minus first becomes first minus second, and nothing else changes."""
    assert (there.n, there.both, there.neither, there.flips) == (back.n, back.both, back.neither, back.flips)
    assert (there.lost, there.won, there.p_value) == (back.won, back.lost, back.p_value)
    assert (there.smallest_gap, there.likely_gap) == (back.smallest_gap, back.likely_gap)
    assert there.max_probability_change == pytest.approx(back.max_probability_change, rel=1e-9)
    assert {(each.true, each.first, each.second, each.n) for each in there.flipped} == {
        (each.true, each.second, each.first, each.n) for each in back.flipped
    }
    for each, turned in zip(there.metrics, back.metrics, strict=True):
        if not each.metric.endswith(leave_out):
            assert_turned(each, turned)


def assert_turned(each: Difference, turned: Difference) -> None:
    near = {"rel": 1e-9, "abs": 1e-12}
    assert each.metric == turned.metric
    assert (each.first, each.second) == pytest.approx((turned.second, turned.first), **near)
    assert each.difference == pytest.approx(-turned.difference, **near)
    assert (each.low is None, each.high is None) == (turned.high is None, turned.low is None)
    if each.low is not None and each.high is not None:
        assert turned.low is not None
        assert turned.high is not None
        assert (each.low, each.high) == pytest.approx((-turned.high, -turned.low), **near)


@given(pairs())
def test_a_verdict_the_other_way_round_is_its_mirror(pair: tuple[Predictions, Predictions]) -> None:
    there, back = compare(*pair), compare(*pair[::-1])
    assert there.kind is back.kind
    assert_mirrored(evidence(there), evidence(back))


@given(pairs(ties=False), st.data())
def test_it_is_the_mirror_also_where_labels_stand_in_another_order(
    pair: tuple[Predictions, Predictions], data: st.DataObject
) -> None:
    one, other = pair
    ours = names(width(one))
    order = data.draw(st.permutations(range(width(one))))
    theirs = [ours[place] for place in order]
    other = relabelled(other, order)
    there = verdict.compare(one, other, ours, theirs, SAME)
    back = verdict.compare(other, one, theirs, ours, SAME)
    assert there.kind is back.kind
    # The positive label is the first side's last one.
    assert_mirrored(evidence(there), evidence(back), leave_out="_positive")


@given(pairs(), st.data())
def test_neither_the_order_of_examples_nor_that_of_the_others_labels_matters(
    pair: tuple[Predictions, Predictions], data: st.DataObject
) -> None:
    one, other = pair
    order = data.draw(st.permutations(range(width(one))))
    rows = [np.array(data.draw(st.permutations(range(len(one)))), dtype=np.int64) for _ in range(2)]
    ours = names(width(one))
    changed = relabelled(other.take(rows[1]), order)
    found = verdict.compare(one.take(rows[0]), changed, ours, [ours[place] for place in order], SAME)
    assert found == compare(one, other)


@given(pairs(ties=False), st.data())
def test_labels_in_another_order_on_both_sides_change_nothing(
    pair: tuple[Predictions, Predictions], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(width(pair[0]))))
    turned = [names(width(pair[0]))[place] for place in order]
    found = verdict.compare(*(relabelled(side, order) for side in pair), turned, turned, SAME)
    expected = compare(*pair)
    assert found.kind is expected.kind
    back = compare(*pair[::-1])
    assert_mirrored(evidence(found), evidence(back), leave_out="_positive")


@given(pairs(), st.sampled_from([SAME, CHANGED, {}]), st.data())
def test_identical_means_equal_logits_and_equal_bytes(
    pair: tuple[Predictions, Predictions], files: verdict.Hashes, data: st.DataObject
) -> None:
    one, other = pair
    if data.draw(st.booleans()):  # the least change that a number can have
        moved = other.logits.copy()
        place = data.draw(st.integers(0, moved.size - 1))
        moved.flat[place] = np.nextafter(moved.flat[place], np.float32(9))
        other = replace(other, logits=moved)
    found = compare(one, other, files)
    assert (found.kind is Kind.IDENTICAL) == (files == SAME and np.array_equal(one.logits, other.logits))
    assert found.kind.good == (evidence(found).flips == 0)


COUNTS = st.tuples(*[st.integers(0, 25)] * 4).filter(any)


@given(st.one_of(COUNTS, COUNTS.map(lambda counts: (counts[0] + 1, 0, 0, counts[3]))))
def test_the_p_value_is_statsmodels_and_scipys(counts: tuple[int, int, int, int]) -> None:
    both, lost, won, neither = counts
    concluded = compare(*table(*counts))
    found = evidence(concluded)
    if lost + won == 0:
        assert found.p_value == 1.0
    else:
        assert found.p_value == pytest.approx(mcnemar([[both, lost], [won, neither]], exact=True).pvalue, rel=1e-12)
        assert found.p_value == pytest.approx(binomtest(lost, lost + won, 0.5).pvalue, rel=1e-9)
    assert (concluded.kind is Kind.DIFFERENT) == (found.p_value <= 0.05)


@given(st.integers(1, 3000), st.floats(0, 1))
def test_the_gaps_are_scipys_and_statsmodels(n: int, disagreement: float) -> None:
    smallest, likely = paired.smallest_gap(n), paired.likely_gap(n, disagreement)
    flips = n if smallest is None else round(smallest * n)
    assert (binomtest(flips, flips, 0.5).pvalue <= 0.05) == (smallest is not None)
    if smallest is not None:
        assert binomtest(flips - 1, flips - 1, 0.5).pvalue > 0.05
    if likely is None:
        assert power(1.0, n, max(disagreement, 1.0)) < 0.8 + 1e-5
    else:
        assert power(likely, n, max(disagreement, likely)) == pytest.approx(0.8, abs=1e-5)
        effect = likely / max(disagreement, likely) ** 0.5
        assert NormalIndPower().power(effect, n, 0.05, ratio=0) == pytest.approx(0.8, abs=1e-5)


def power(gap: float, n: int, disagreement: float) -> float:
    """Chance that a two-sided test at 5% shows a mean difference, its variance a single one's `disagreement`."""
    shift = gap * (n / disagreement) ** 0.5
    return float(norm.sf(norm.ppf(0.975) - shift) + norm.cdf(norm.ppf(0.025) - shift))


@given(st.one_of(pairs(), COUNTS.map(lambda counts: table(*counts))))
def test_intervals_are_scipys(pair: tuple[Predictions, Predictions]) -> None:
    assume(len(pair[0]) > 1)
    outcomes = [Outcome.of_logits(side.logits, side.label) for side in pair]
    right, right_too = (each.labels == each.decisions for each in outcomes)
    surprise, surprise_too = (-each.log_probabilities[np.arange(len(right)), each.labels] for each in outcomes)
    found = evidence(compare(*pair))
    each_example = {"accuracy": 1.0 * right_too - right, "loss": surprise_too - surprise}
    for name, differences in each_example.items():
        drawn = bootstrap(
            (differences,), np.mean, n_resamples=metrics.RESAMPLES, method="percentile",
            rng=np.random.default_rng(metrics.SEED),
        ).confidence_interval  # fmt: skip
        interval = found.of(name).low, found.of(name).high
        assert interval == pytest.approx((drawn.low, drawn.high), rel=1e-9, abs=1e-12), name
