"""Sets of labels hold the true one as often as was asked for."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from core import calibration, conformal
from core.runs import Run
from tests.test_calibration import drawn


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.99])
def test_coverage_is_what_was_asked_for(coverage: float) -> None:
    found = conformal.measure(drawn(too_sure=2.0), drawn(too_sure=2.0, seed=1), coverage)
    assert found.plain == pytest.approx(coverage, abs=0.02)
    assert found.found >= found.plain
    assert found.low < found.found < found.high
    assert found.right is not None
    assert 0 < found.sure < 1


def test_coverage_holds_on_average_over_small_validation_splits() -> None:
    shares = [conformal.measure(drawn(50, seed=n), drawn(400, seed=1000 + n), 0.9).plain for n in range(60)]
    assert 0.89 < np.mean(shares) < 0.93


def test_too_few_examples_promise_nothing_less_than_all_labels() -> None:
    limit = conformal.least(drawn(9), 1.0, 0.95)
    assert conformal.named(np.array([[0.98, 0.01, 0.01]]), limit).all()


def test_the_likeliest_label_is_always_named_and_more_coverage_names_more() -> None:
    validation, test = drawn(), drawn(seed=1)
    found = calibration.probabilities(test.logits, 1.0)
    sets = [conformal.named(found, conformal.least(validation, 1.0, share)) for share in (0.5, 0.8, 0.95)]
    for less, more in pairwise(sets):
        assert (less <= more).all()
    assert all(each[np.arange(len(test)), found.argmax(axis=1)].all() for each in sets)


def test_without_a_set_of_one_label_none_is_right() -> None:
    unsure = replace(drawn(40), logits=np.zeros((40, 3), dtype=np.float32))
    found = conformal.measure(unsure, unsure, 0.99)
    assert (found.sure, found.right, found.found) == (0.0, None, 1.0)


def test_a_record_tells_how_likely_a_label_must_be(run: Run) -> None:
    assert 0 <= conformal.of_record(run.record, 0.9) <= 1
    assert conformal.of_record(run.record, 0.9) <= conformal.of_record(run.record, 0.5)
