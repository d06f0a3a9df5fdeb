"""Two records -> a verdict: all five kinds, with their evidence."""

import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar

from core import metrics, verdict
from core.metrics import Outcome
from core.predictions import Predictions
from core.verdict import Kind, Verdict

NAMES = ("negative", "positive")


def made(decided: npt.ArrayLike, labels: npt.ArrayLike, margin: float = 2.0) -> Predictions:
    """Predictions of two labels with these decisions."""
    decisions, truth = np.asarray(decided), np.asarray(labels)
    n = len(truth)
    return Predictions(
        id=np.array([f"r{row}" for row in range(n)]),
        text_sha256=np.array([f"{row:064x}" for row in range(n)]),
        label=truth.astype(np.int64),
        logits=(margin * np.eye(2)[decisions]).astype(np.float32),
        n_tokens=np.full(n, 5),
        truncated=np.zeros(n, dtype=bool),
    )


def table(both: int, lost: int, won: int, neither: int) -> tuple[Predictions, Predictions]:
    """Local and Hub predictions with these counts of right and wrong decisions; all labels are 0."""
    local = [0] * both + [0] * lost + [1] * won + [1] * neither
    hub = [0] * both + [1] * lost + [0] * won + [1] * neither
    return made(local, [0] * len(local)), made(hub, [0] * len(local))


def compare(local: Predictions, hub: Predictions, *, same_bytes: bool = True) -> Verdict:
    return verdict.compare(local, hub, NAMES, NAMES, same_bytes=same_bytes)


@pytest.mark.parametrize(
    ("lost", "won", "same_bytes", "kind"),
    [
        (0, 0, True, Kind.IDENTICAL),
        (0, 0, False, Kind.DRIFT),
        (1, 0, True, Kind.DECISIONS_CHANGED),
        (3, 3, True, Kind.DECISIONS_CHANGED),
        (5, 0, False, Kind.DECISIONS_CHANGED),
        (6, 0, False, Kind.DIFFERENT),
        (0, 6, True, Kind.DIFFERENT),
        (20, 3, True, Kind.DIFFERENT),
    ],
)
def test_the_kind_follows_from_flips_and_the_test(lost: int, won: int, same_bytes: bool, kind: Kind) -> None:
    found = compare(*table(30, lost, won, 10), same_bytes=same_bytes)
    assert (found.kind, found.flips, found.lost, found.won) == (kind, lost + won, lost, won)
    assert found.n == 40 + lost + won
    assert found.kind.good == (kind in ("identical", "drift"))


def test_numbers_that_move_without_a_decision_are_drift() -> None:
    local, hub = made([0, 1], [0, 1], margin=2.0), made([0, 1], [0, 1], margin=2.001)
    found = compare(local, hub)
    assert found.kind is Kind.DRIFT
    assert found.max_probability_change == np.abs(local.probabilities - hub.probabilities).max() > 0
    assert f"{found.max_probability_change:.2g}" in found.sentence


def test_flips_between_wrong_labels_count_as_flips_only() -> None:
    local = dataclasses.replace(made([0] * 8, [0] * 8), logits=np.tile(np.float32([0, 1, 0]), (8, 1)))
    hub = dataclasses.replace(local, logits=np.tile(np.float32([0, 0, 1]), (8, 1)))
    found = verdict.compare(local, hub, ("a", "b", "c"), ("a", "b", "c"), same_bytes=False)
    assert (found.kind, found.flips, found.lost, found.won) == (Kind.DECISIONS_CHANGED, 8, 0, 0)
    assert found.p_value == 1.0


@pytest.mark.parametrize("seed", range(12))
def test_p_values_are_statsmodels_and_scipys(seed: int) -> None:
    both, lost, won, neither = np.random.default_rng(seed).integers(0, [40, 15, 15, 20])
    found = compare(*table(both, lost + 1, won, neither))
    assert found.p_value == pytest.approx(mcnemar([[both, lost + 1], [won, neither]], exact=True).pvalue, rel=1e-12)
    assert found.p_value == pytest.approx(binomtest(int(lost) + 1, int(lost + won) + 1, 0.5).pvalue, rel=1e-9)


@pytest.mark.parametrize(("both", "neither"), [(10, 0), (0, 10), (5, 5), (1, 0)])
def test_without_discordant_pairs_there_is_no_difference(both: int, neither: int) -> None:
    assert compare(*table(both, 0, 0, neither)).p_value == 1.0


@pytest.mark.parametrize(("n", "gap"), [(1, None), (5, None), (6, 1.0), (7, 6 / 7), (32, 6 / 32), (1000, 0.006)])
def test_the_smallest_gap_is_six_flips(n: int, gap: float | None) -> None:
    assert verdict.smallest_gap(n) == gap
    if gap is not None:
        right = round(n * gap)
        assert compare(*table(n - right, right, 0, 0)).kind is Kind.DIFFERENT
        assert compare(*table(n - right + 1, right - 1, 0, 0)).kind is not Kind.DIFFERENT


def shuffled(found: Predictions, seed: int = 0) -> Predictions:
    rows = np.random.default_rng(seed).permutation(len(found))
    return Predictions(**{name: value[rows] for name, value in vars(found).items() if isinstance(value, np.ndarray)})


def renamed(found: Predictions) -> Predictions:
    """The same predictions of a model whose outputs stand in the other order."""
    return dataclasses.replace(found, label=1 - found.label, logits=found.logits[:, ::-1])


def random_pair() -> tuple[Predictions, Predictions]:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 60)
    one = made(rng.integers(0, 2, 60), labels)
    noisy = one.logits + rng.normal(size=one.logits.shape).astype(np.float32)
    return one, dataclasses.replace(one, logits=noisy)


def test_neither_the_order_of_examples_nor_that_of_labels_matters() -> None:
    local, hub = random_pair()
    expected = compare(local, hub)
    assert 0 < (expected.flips or 0) < 60
    other_order = verdict.compare(local, renamed(shuffled(hub)), NAMES, NAMES[::-1], same_bytes=True)
    assert other_order == expected


def test_a_copy_in_another_order_is_identical() -> None:
    local, _ = random_pair()
    assert compare(local, shuffled(local)).kind is Kind.IDENTICAL


def test_metric_differences_are_hub_minus_local() -> None:
    local, hub = random_pair()
    ours, theirs = (metrics.values(Outcome.of_logits(each.logits, local.label)) for each in (local, hub))
    found = compare(local, hub).metrics
    assert {row["metric"] for row in found} == set(ours)
    for row in found:
        name = row["metric"]
        assert (row["local"], row["hub"]) == (ours[name], theirs[name])
        assert row["difference"] == theirs[name] - ours[name]


def with_first(found: Predictions, name: str, value: object) -> Predictions:
    column = getattr(found, name).copy()
    column[0] = value
    return dataclasses.replace(found, **{name: column})


def first(found: Predictions, n: int) -> Predictions:
    return Predictions(**{name: value[:n] for name, value in vars(found).items() if isinstance(value, np.ndarray)})


CHANGED: dict[str, Any] = {
    "ids": (lambda found: with_first(found, "id", "x"), "The examples differ: 10 here, 10 on the Hub, 9 shared"),
    "fewer": (lambda found: first(found, 9), "The examples differ: 10 here, 9 on the Hub, 9 shared"),
    "texts": (lambda found: with_first(found, "text_sha256", "0" * 63 + "f"), "same ids but different texts"),
    "labels": (lambda found: with_first(found, "label", 1), "same texts but different true labels"),
    "an id twice": (lambda found: with_first(found, "id", "r1"), "The examples differ"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_does_not_fit_makes_it_unverifiable(name: str) -> None:
    change, reason = CHANGED[name]
    local, _ = table(5, 2, 2, 1)
    found = compare(local, change(local))
    assert found.kind is Kind.UNVERIFIABLE
    assert reason in found.sentence
    assert found.flips is None
    assert not found.metrics


def test_ids_that_stand_twice_on_both_sides_are_not_compared() -> None:
    local, _ = table(5, 2, 2, 1)
    one, other = with_first(local, "id", "r1"), with_first(local, "id", "r2")
    twice = dataclasses.replace(other, id=np.where(np.arange(10) == 2, "r1", other.id))
    assert verdict.compare(one, twice, NAMES, NAMES, same_bytes=True).kind is Kind.UNVERIFIABLE


def test_other_label_names_are_unverifiable() -> None:
    local, hub = table(5, 0, 0, 5)
    found = verdict.compare(local, hub, NAMES, ("bad", "good"), same_bytes=True)
    assert found.kind is Kind.UNVERIFIABLE
    assert all(name in found.sentence for name in (*NAMES, "bad", "good"))


@pytest.mark.parametrize("counts", [(10, 0, 0, 2), (10, 6, 0, 2)])
def test_a_verdict_can_be_stored(counts: tuple[int, int, int, int]) -> None:
    found = compare(*table(*counts))
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Kind(stored["kind"]) is found.kind
    assert (stored["n"], stored["flips"]) == (found.n, found.flips)
    assert len(stored["metrics"]) == len(found.metrics)
