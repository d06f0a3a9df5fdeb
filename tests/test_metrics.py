"""Metrics against scikit-learn, statsmodels and plain NumPy."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)
from statsmodels.stats.proportion import proportion_confint

from core import metrics, views
from core.metrics import METRICS, Outcome
from core.runs import Run

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def by_scikit_learn(logits: npt.ArrayLike, labels: npt.ArrayLike) -> dict[str, float]:
    """Every metric, from scikit-learn directly where it has it."""
    scores, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    k, decided, probabilities = scores.shape[1], scores.argmax(1), softmax(scores, axis=1)
    found = {"accuracy": accuracy_score(truth, decided)}
    averages = ["macro", "weighted"] + (["binary"] if k == 2 else [])
    for average in averages:
        name = "positive" if average == "binary" else average
        some = None if average == "binary" else range(k)
        three = precision_recall_fscore_support(truth, decided, labels=some, average=average, zero_division=0)
        found |= {f"precision_{name}": three[0], f"recall_{name}": three[1], f"f1_{name}": three[2]}
        assert three[2] == f1_score(truth, decided, labels=some, average=average, zero_division=0)
    if len(set(truth)) == k:
        given = probabilities[:, 1] if k == 2 else probabilities
        found["roc_auc_ovr_macro"] = roc_auc_score(truth, given, multi_class="ovr", average="macro")
    found["loss"] = log_loss(truth, probabilities, labels=range(k))
    found["expected_calibration_error"] = calibration_error(probabilities, truth)
    return found


def calibration_error(probabilities: Floats, truth: npt.NDArray[Any]) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    edges, total = np.linspace(0, 1, 16), 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def case(name: str, k: int, n: int = 200) -> tuple[Floats, Ints]:
    """Logits and labels of a named situation."""
    rng = np.random.default_rng(k)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[labels]
    match name:
        case "a missing class":
            labels = np.where(labels == k - 1, 0, labels)
        case "one class only":
            labels = np.zeros(n, dtype=np.int64)
        case "a label never decided":
            logits[:, 0] -= 15
        case "perfect":
            logits = 9.0 * np.eye(k)[labels]
        case "worst":
            logits = 9.0 * np.eye(k)[(labels + 1) % k]
        case "one decision":
            logits[:, 1] += 15
        case "one example":
            logits, labels = logits[:1], labels[:1]
        case "huge logits":
            logits = logits * 1e3
    return logits, labels


CASES = [
    "ordinary", "a missing class", "one class only", "a label never decided", "perfect", "worst", "one decision",
    "one example", "huge logits",
]  # fmt: skip


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("name", CASES)
def test_every_value_is_scikit_learns(name: str, k: int) -> None:
    logits, labels = case(name, k)
    expected = by_scikit_learn(logits, labels)
    if name == "huge logits":  # scikit-learn clips probabilities, we do not
        steep = logits - logits.max(1, keepdims=True)
        expected["loss"] = float(np.mean(np.log(np.exp(steep).sum(1)) - steep[np.arange(len(labels)), labels]))
    assert metrics.values(Outcome.of_logits(logits, labels)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["one class only", "a missing class", "one example"])
@pytest.mark.parametrize("k", [2, 8])
def test_no_area_exists_without_every_label(name: str, k: int) -> None:
    logits, labels = case(name, k)
    found = metrics.values(Outcome.of_logits(logits, labels))
    assert "roc_auc_ovr_macro" not in found
    assert ("f1_positive" in found) == (k == 2)


def test_decisions_alone_have_no_metric_of_probabilities() -> None:
    logits, labels = case("ordinary", 2)
    full = metrics.values(Outcome.of_logits(logits, labels))
    bare = metrics.values(Outcome(labels, logits.argmax(1), None, 2))
    assert set(full) - set(bare) == {"roc_auc_ovr_macro", "loss", "expected_calibration_error"}
    assert bare == {name: full[name] for name in bare}


def test_no_examples_have_no_metric() -> None:
    with pytest.raises(ValueError, match="no examples"):
        metrics.values(Outcome.of_logits(np.empty((0, 2)), []))


@pytest.mark.parametrize(("k", "name"), [(2, "ordinary"), (8, "a missing class")])
def test_the_summary_holds_labels_and_confusion(k: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 5)
    logits, labels = case(name, k)
    names = [f"label {n}" for n in range(k)]
    found = metrics.summary(Outcome.of_logits(logits, labels), names)
    four = precision_recall_fscore_support(labels, logits.argmax(1), labels=range(k), average=None, zero_division=0)
    assert found["n"] == len(labels)
    assert found["confusion"] == confusion_matrix(labels, logits.argmax(1), labels=range(k)).tolist()
    assert pd.DataFrame(found["per_class"]).to_dict("list") == {
        "label": names, "precision": list(four[0]), "recall": list(four[1]), "f1": list(four[2]), "n": list(four[3]),
    }  # fmt: skip


# The interval for 81 of 263 is R. Newcombe's example (Statistics in Medicine 1998, method 3), as for 15/148 and 0/20.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_accuracy_has_wilsons_interval(
    right: int, n: int, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "METRICS", {"accuracy": METRICS["accuracy"]})
    labels = (np.arange(n) < right).astype(np.int64)
    found = metrics.summary(Outcome.of_logits(np.tile([0.0, 1.0], (n, 1)), labels), ["a", "b"])["accuracy"]
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=5e-5)
    assert (found["low"], found["high"]) == pytest.approx(proportion_confint(right, n, 0.05, "wilson"), rel=1e-12)


@pytest.mark.parametrize("k", [2, 8])
def test_intervals_are_seeded_and_contain_their_values(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 100)
    outcome = Outcome.of_logits(*case("ordinary", k))
    one, again = (metrics.summary(outcome, [str(n) for n in range(k)]) for _ in range(2))
    assert one == again
    # Resampling inflates the calibration error, so that an interval would not even contain it.
    error = one["expected_calibration_error"]
    assert (error["low"], error["high"]) == (None, None)
    for name in set(metrics.values(outcome)) - {"expected_calibration_error"}:
        assert one[name]["low"] <= one[name]["value"] <= one[name]["high"], name
        assert one[name]["low"] < one[name]["high"], name


def test_intervals_agree_with_a_plain_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "METRICS", {name: METRICS[name] for name in ("accuracy", "loss", "f1_positive")})
    logits, labels = case("ordinary", 2, 300)
    found = metrics.summary(Outcome.of_logits(logits, labels), ["a", "b"])
    rows = np.random.default_rng(1).integers(0, 300, (4000, 300))
    losses = -np.log(softmax(logits, axis=1)[np.arange(300), labels])
    decided = logits.argmax(1)
    hit, either = ((decided & labels)[rows].sum(1), (decided + labels)[rows].sum(1))
    for name, draws in {"loss": losses[rows].mean(1), "f1_positive": 2 * hit / either}.items():
        expected = np.percentile(draws, [2.5, 97.5])
        width = expected[1] - expected[0]
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(tuple(expected), abs=0.1 * width), name


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("name", CASES)
def test_a_resample_has_the_figures_of_its_rows(name: str, k: int) -> None:
    logits, labels = case(name, k)
    logits = np.round(logits, 1)  # many ties
    outcome, rng = Outcome.of_logits(logits, labels), np.random.default_rng(0)
    for _ in range(20):
        rows = rng.integers(0, len(labels), len(labels))
        expected = metrics.values(Outcome.of_logits(logits[rows], labels[rows]))
        assert metrics.values(outcome.resample(rows)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [2, 8])
def test_of_many_decisions_counts_are_drawn_and_the_intervals_are_those_of_rows(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, rng = np.arange(6000) % k, np.random.default_rng(4)
    outcome = Outcome(labels, np.where(rng.random(6000) < 0.7, labels, rng.integers(0, k, 6000)), None, k)
    by_rows = metrics.summary(outcome, [str(n) for n in range(k)])
    monkeypatch.setattr(metrics, "MANY", 5999)
    by_counts, again = (metrics.summary(outcome, [str(n) for n in range(k)]) for _ in range(2))
    assert by_counts == again
    for name in metrics.values(outcome):
        one, other = by_rows[name], by_counts[name]
        assert one["value"] == other["value"]
        near = 0.15 * (one["high"] - one["low"])
        assert (one["low"], one["high"]) == pytest.approx((other["low"], other["high"]), abs=near), name


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("name", CASES)
def test_counts_have_the_figures_of_their_decisions(name: str, k: int) -> None:
    logits, labels = case(name, k)
    decisions = logits.argmax(1)
    counts = metrics.Counts(confusion_matrix(labels, decisions, labels=range(k)))
    assert metrics.values(counts) == metrics.values(Outcome(labels, decisions, None, k))
    assert sorted(zip(counts.labels, counts.decisions, strict=True)) == sorted(zip(labels, decisions, strict=True))


@pytest.mark.parametrize("labels", [[0], [0, 1], [0] * 29 + [1], [0] * 5], ids=["one", "two", "rare", "same"])
def test_few_examples_of_a_label_still_have_a_summary(labels: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    # Many a resample lacks a label; that is neither a warning nor a NaN, which JSON could not hold.
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    logits = np.random.default_rng(0).normal(size=(len(labels), 2))
    json.dumps(metrics.summary(Outcome.of_logits(logits, labels), ["a", "b"]), allow_nan=False)


@pytest.fixture
def share_of_last_label() -> Iterator[str]:
    """A metric that somebody adds."""

    @metrics.metric("Share of the last label", higher_is_better=False)
    def share_of_last(outcome: Outcome) -> float | None:
        """How often the last label is decided."""
        return float((outcome.decisions == outcome.n_labels - 1).mean())

    yield "share_of_last"
    del METRICS["share_of_last"]


def test_a_metric_that_is_added_appears_everywhere(share_of_last_label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    outcome = Outcome.of_logits(*case("ordinary", 8))
    expected = float((outcome.decisions == 7).mean())
    summary = metrics.summary(outcome, [str(n) for n in range(8)])
    assert metrics.values(outcome)[share_of_last_label] == expected
    assert summary[share_of_last_label]["value"] == expected
    shown = views.scores(summary, {"tfidf": summary, "majority": {}}).set_index("name").loc[share_of_last_label]
    assert (shown["title"], shown["meaning"]) == ("Share of the last label", "How often the last label is decided.")
    assert shown["tfidf"] == expected
    assert not METRICS[share_of_last_label].higher_is_better


def test_every_metric_says_what_it_means() -> None:
    assert all(each.title and each.meaning.endswith(".") for each in METRICS.values())
    assert "f1" not in METRICS


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_metrics_of_a_run_follow_from_its_predictions(run: Run, split: str) -> None:
    stored = pd.read_parquet(run.path / "predictions" / f"{split}.parquet")
    logits, labels = np.stack(stored["logits"]), stored["label"].to_numpy()
    found, decided = run.record.metrics["splits"][split], np.stack(stored["logits"]).argmax(1)
    stated = {name: found[name]["value"] for name in METRICS if name in found}
    assert stated == pytest.approx(by_scikit_learn(logits, labels), rel=1e-6)
    assert found["n"] == len(stored)
    assert found["confusion"] == confusion_matrix(labels, decided, labels=[0, 1]).tolist()
    four = precision_recall_fscore_support(labels, decided, labels=[0, 1], average=None, zero_division=0)
    listed = [[row[key] for row in found["per_class"]] for key in ("precision", "recall", "f1", "n")]
    np.testing.assert_allclose(listed, four)
    assert [row["label"] for row in found["per_class"]] == list(run.record.labels)


def test_the_intervals_of_a_run_follow_from_its_predictions(run: Run) -> None:
    stored = run.record.predictions("test")
    again = metrics.summary(Outcome.of_logits(stored.logits, stored.label), run.record.labels)
    assert again == run.record.metrics["splits"]["test"]
