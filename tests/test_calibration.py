"""A temperature undoes the over-confidence that was put in, moves no decision, and is stored with the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from core import calibration
from core.errors import RunError
from core.predictions import Predictions
from core.runs import Record, Run


def drawn(n: int = 4000, k: int = 3, too_sure: float = 1.0, seed: int = 0) -> Predictions:
    """Examples whose labels are drawn from the logits' own probabilities; then the logits are multiplied."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, k))
    labels = np.array([rng.choice(k, p=each) for each in softmax(logits, axis=1)])
    blank = np.array([""] * n)
    return Predictions(blank, blank, labels, (logits * too_sure).astype(np.float32), np.ones(n, int), np.zeros(n, bool))


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_that_was_put_in(too_sure: float) -> None:
    assert calibration.fit(drawn(too_sure=too_sure)) == pytest.approx(too_sure, rel=0.06)


def test_calibration_lowers_the_error_on_other_examples_and_moves_no_decision() -> None:
    validation, test = drawn(too_sure=3.0), drawn(too_sure=3.0, seed=1)
    temperature = calibration.fit(validation)
    assert calibration.error(test, temperature) < 0.03 < calibration.error(test)
    assert (calibration.probabilities(test.logits, temperature).argmax(axis=1) == test.decisions).all()


def test_confidence_is_the_probability_of_what_was_decided_whatever_is_computed_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calibration, "BLOCK", 7)
    found, decisions = drawn(20), np.arange(20) % 3
    expected = calibration.probabilities(found.logits, 1.7)[np.arange(20), decisions]
    assert calibration.confidence(found, 1.7, decisions).tolist() == expected.tolist()


def test_a_model_that_is_never_wrong_gets_a_finite_temperature() -> None:
    found = drawn(50)
    right = Predictions(found.id, found.id, found.decisions, found.logits, found.n_tokens, found.truncated)
    assert 1 / calibration.HOTTEST <= calibration.fit(right) < 1


def test_a_run_stores_its_temperature(run: Run) -> None:
    fitted = calibration.fit(run.record.predictions("validation"))
    assert run.record.metrics["temperature"] == pytest.approx(fitted, rel=1e-9)
    assert calibration.of_record(run.record) == run.record.metrics["temperature"]
    del run.record.metrics["temperature"]  # a run from before it was stored
    assert calibration.of_record(run.record) == fitted


@pytest.mark.parametrize("stored", [0, -1.0, "nan", "inf"])
def test_what_is_no_temperature_is_refused(run: Run, tmp_path: Path, stored: object) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(run.record.metrics | {"temperature": stored}))
    with pytest.raises(RunError, match="is no temperature"):
        calibration.of_record(Record(tmp_path))
