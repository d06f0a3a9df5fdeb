"""The project's metrics as `evaluate` sees them, without the Hub."""

import evaluate
import numpy as np
import pytest

from core import metrics
from core.evaluate_metric import ReviewMetrics
from core.metrics import Outcome
from tests.test_metrics import by_scikit_learn


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks for a host fails."""

    def refuse(*where: object, **how: object) -> None:
        raise AssertionError(f"asked the network: {where}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


def some(k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    return rng.normal(size=(60, k)).astype(np.float32), rng.integers(0, k, 60)


@pytest.mark.parametrize("k", [2, 8])
def test_logits_give_every_metric(k: int) -> None:
    logits, labels = some(k)
    found = ReviewMetrics().compute(predictions=logits, references=labels)
    assert found == pytest.approx(by_scikit_learn(logits, labels), rel=1e-6)


@pytest.mark.parametrize("k", [2, 8])
def test_decided_labels_give_the_metrics_that_need_no_more(k: int) -> None:
    logits, labels = some(k)
    decided = logits.argmax(1)
    found = ReviewMetrics().compute(predictions=decided, references=labels)
    assert found == metrics.values(Outcome(labels, decided, None, k))


def test_labels_that_do_not_occur_can_be_counted() -> None:
    found = ReviewMetrics().compute(predictions=[0, 1, 1], references=[0, 1, 0], n_labels=4)
    assert found["recall_macro"] == pytest.approx((0.5 + 1) / 4)


def test_batches_add_up() -> None:
    logits, labels = some(3)
    metric = ReviewMetrics()
    for rows in np.array_split(np.arange(60), 4):
        metric.add_batch(predictions=logits[rows], references=labels[rows])
    assert metric.compute() == ReviewMetrics().compute(predictions=logits, references=labels)


def test_two_can_be_combined() -> None:
    logits, labels = some(2)
    alone = ReviewMetrics().compute(predictions=logits, references=labels)
    both = evaluate.combine([ReviewMetrics(), ReviewMetrics()]).compute(predictions=logits, references=labels)
    for name, value in alone.items():
        assert [found for key, found in both.items() if key.endswith(f"_{name}")] == [value, value], name
