"""Coverage against risk, against counting by hand."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from core import selective


def by_hand(confidence: list[float], right: list[bool]) -> list[float]:
    """Risk of the surest one, two, …: the mean over all orders that go by confidence."""
    orders = [
        order
        for order in permutations(range(len(right)))
        if all(confidence[one] >= confidence[other] for one, other in pairwise(order))
    ]
    risks = [[np.mean([not right[place] for place in order[:n]]) for n in range(1, len(right) + 1)] for order in orders]
    return [float(risk) for risk in np.mean(risks, axis=0)]


@pytest.mark.parametrize(
    ("confidence", "right"),
    [
        ([0.9, 0.8, 0.7, 0.6], [True, False, True, False]),
        ([0.6, 0.7, 0.8, 0.9], [False, False, True, True]),
        ([0.9, 0.8, 0.8, 0.8, 0.6], [True, False, True, True, False]),
        ([0.5, 0.5, 0.5], [True, False, False]),
        ([0.7], [True]),
    ],
)
def test_the_curve_is_that_of_going_through_the_answers(confidence: list[float], right: list[bool]) -> None:
    found = selective.measure(np.array(confidence), np.array(right))
    risks = by_hand(confidence, right)
    assert found.points["accuracy"].tolist() == pytest.approx([1 - risk for risk in risks])
    assert found.points["coverage"].tolist() == pytest.approx([n / len(right) for n in range(1, len(right) + 1)])
    assert found.area == pytest.approx(np.mean(risks))
    assert found.by_chance == pytest.approx(1 - np.mean(right))
    assert found.at_best == pytest.approx(np.mean(by_hand([float(each) for each in right], right)))


def test_confidence_that_tells_right_from_wrong_is_as_good_as_can_be() -> None:
    right = np.random.default_rng(1).random(5000) < 0.8
    found = selective.measure(right * 0.5 + 0.3, right)
    assert found.area == pytest.approx(found.at_best)
    assert found.area < found.by_chance
    assert found.accuracy(0.5) == 1
    assert found.accuracy(1.0) == pytest.approx(right.mean())
    assert len(found.points) <= selective.POINTS


def test_a_curve_ends_at_the_accuracy_of_all() -> None:
    right = np.array([True, False, True, True])
    assert selective.measure(np.array([0.9, 0.8, 0.4, 0.3]), right).points.iloc[-1].tolist() == [1.0, 0.75]
