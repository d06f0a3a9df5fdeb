"""Deciding at another threshold: as scikit-learn and counting by hand have it."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from core import calibration, metrics, threshold
from core.metrics import Outcome
from core.predictions import Predictions
from core.runs import Run
from tests.split import predictions

TEMPERATURE = 1.5
LABELS = ("negative", "positive")


@pytest.mark.parametrize("at", [0.01, 0.2, 0.5, 0.73, 0.99])
def test_the_second_label_is_decided_from_the_threshold_on(at: float) -> None:
    found = predictions()
    second = calibration.probabilities(found.logits, TEMPERATURE)[:, 1]
    assert threshold.decide(found, TEMPERATURE, at).tolist() == (second > at).astype(int).tolist()


def test_at_the_usual_threshold_the_decisions_are_the_models_own() -> None:
    found = predictions()
    tied = Predictions(**{**vars(found), "logits": np.zeros_like(found.logits)})
    for each in (found, tied):
        assert threshold.decide(each, TEMPERATURE, threshold.USUAL).tolist() == each.decisions.tolist()


def test_of_three_labels_the_likeliest_is_decided() -> None:
    found = predictions(k=3)
    assert threshold.decide(found, TEMPERATURE, 0.9).tolist() == found.decisions.tolist()


def test_the_summary_at_the_usual_threshold_is_the_published_one(run: Run) -> None:
    published = run.record.metrics["splits"]["test"]
    found = run.record.predictions("test")
    decisions = threshold.decide(found, calibration.of_record(run.record), threshold.USUAL)
    assert threshold.summary(found, decisions, run.record.labels, published) == published


def test_the_summary_follows_the_threshold_but_for_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    found = predictions()
    published = metrics.summary(Outcome.of_logits(found.logits, found.label), LABELS)
    decisions = threshold.decide(found, TEMPERATURE, 0.8)
    summary = threshold.summary(found, decisions, LABELS, published)
    assert list(summary) == list(published)
    assert summary["accuracy"]["value"] == pytest.approx(accuracy_score(found.label, decisions))
    assert summary["f1_positive"]["value"] == pytest.approx(f1_score(found.label, decisions))
    assert summary["accuracy"]["low"] < summary["accuracy"]["value"] < summary["accuracy"]["high"]
    assert summary["f1_macro"]["low"] <= summary["f1_macro"]["value"] <= summary["f1_macro"]["high"]
    for name in ("roc_auc_ovr_macro", "loss", "expected_calibration_error", "n"):
        assert summary[name] == published[name]
    assert sum(row[1] for row in summary["confusion"]) == decisions.sum() < found.decisions.sum()


def test_the_best_threshold_is_that_of_trying_all() -> None:
    found = predictions(seed=8)
    for best, score in zip(threshold.best(found, TEMPERATURE), (f1_score, accuracy_score), strict=True):
        values = {at: score(found.label, threshold.decide(found, TEMPERATURE, at)) for at in threshold.GRID}
        assert best.value == pytest.approx(max(values.values()))
        equals = [at for at, value in values.items() if value == pytest.approx(best.value, abs=1e-12)]
        assert abs(best.threshold - 0.5) == pytest.approx(min(abs(at - 0.5) for at in equals))
        assert best.usual == pytest.approx(values[0.5])
    assert [best.metric for best in threshold.best(found, TEMPERATURE)] == list(threshold.AIMS)


def test_where_all_thresholds_are_as_good_the_usual_one_stays() -> None:
    found = predictions()
    sure = Predictions(**{**vars(found), "logits": np.eye(2, dtype=np.float32)[found.label] * 100})
    assert {best.threshold for best in threshold.best(sure, TEMPERATURE)} == {0.5}


def test_curves_have_the_areas_of_scikit_learn_and_the_chosen_point() -> None:
    found = predictions(n=5000)
    decisions = threshold.decide(found, TEMPERATURE, 0.3)
    second = calibration.probabilities(found.logits, TEMPERATURE)[:, 1]
    cells = Outcome(found.label, decisions, None, 2).cells
    roc = threshold.roc(found)
    assert len(roc) <= threshold.POINTS
    area = float(np.trapezoid(roc["y"], roc["x"]))
    assert area == pytest.approx(roc_auc_score(found.label, second), abs=0.002)
    assert threshold.on_roc(cells) == pytest.approx(
        (1 - recall_score(1 - found.label, 1 - decisions), recall_score(found.label, decisions))
    )
    curve = threshold.precision_recall(found)
    assert len(curve) <= threshold.POINTS
    area = -float(np.trapezoid(curve["y"], curve["x"]))
    assert area == pytest.approx(average_precision_score(found.label, second), abs=0.005)
    assert threshold.on_precision_recall(cells) == pytest.approx(
        (recall_score(found.label, decisions), precision_score(found.label, decisions))
    )


def test_the_chosen_point_exists_where_nothing_is_decided() -> None:
    nothing = np.array([[60, 0], [40, 0]])
    assert threshold.on_roc(nothing) == (0.0, 0.0)
    assert threshold.on_precision_recall(nothing) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "labels", "drawn"), [(2, 2, True), (2, 1, False), (3, 3, False)])
def test_curves_need_two_labels_that_have_examples(k: int, labels: int, drawn: bool) -> None:
    found = predictions(k)
    shown = Predictions(**{**vars(found), "label": found.label % labels})
    assert threshold.can_be_drawn(shown) == drawn
