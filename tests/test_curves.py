"""Histories -> curves."""

import pytest

from core import curves
from core.runs import Run
from tests.histories import history


def test_curves_are_the_history_in_long_form(run: Run) -> None:
    points = curves.of(run.record.history)
    epochs = [entry for entry in run.record.history if entry["kind"] == "epoch"]
    steps = [entry for entry in run.record.history if entry["kind"] == "step"]
    by_series = points.groupby("series")["value"].agg(list).to_dict()
    assert by_series["training loss"] == [entry["loss"] for entry in steps]
    assert by_series["validation accuracy"] == [entry["validation_accuracy"] for entry in epochs]
    assert by_series["validation loss"] == [entry["validation_loss"] for entry in epochs]
    assert set(curves.groups(points)["Loss"]) == {"training loss", "validation loss"}
    assert "validation accuracy" in curves.groups(points)["Validation scores"]


def test_a_run_that_has_not_begun_has_no_curves() -> None:
    points = curves.of([])
    assert list(points.columns) == ["epoch", "series", "value"]
    assert curves.groups(points) == {}


def test_a_long_training_loss_is_shown_in_groups_with_the_same_mean() -> None:
    points = curves.of(history(4, 1500))
    shown = curves.training_loss(points)
    assert len(shown) == curves.STEPS_SHOWN
    losses = points.loc[points["series"] == "training loss", "value"]
    assert shown["value"].mean() == pytest.approx(losses.mean())
    assert shown["smooth"].between(losses.min(), losses.max()).all()


def test_a_short_training_loss_is_shown_as_it_is() -> None:
    shown = curves.training_loss(curves.of(history(1, 5)))
    assert list(shown["smooth"]) == list(shown["value"]) == [1 / (1 + n / 5) for n in range(1, 6)]
    assert curves.training_loss(curves.of([])).empty


def test_scores_are_named_as_everywhere() -> None:
    points = curves.of(history(1, 0))
    named = curves.by_epoch(points, ["validation accuracy", "validation f1 macro"])
    assert list(named["title"]) == ["Accuracy", "F1 (macro)"]


def test_the_newest_value_of_each_curve_is_named() -> None:
    assert curves.latest(curves.of(history(2, 3))) == {
        "Training loss": pytest.approx(1 / 3), "Validation loss": pytest.approx(0.68), "Accuracy": 0.9,
        "F1 (macro)": 0.8999,
    }  # fmt: skip
    assert curves.latest(curves.of([])) == {}


def test_a_chart_is_told_in_words() -> None:
    runs = {"a": curves.of(history(2, 3)), "b": curves.of(history(4, 3)), "c": curves.of([])}
    assert curves.in_words(runs, "Loss") == (
        "Loss over the epochs: a ends at 0.680 after 2 epochs; b ends at 0.660 after 4 epochs."
    )
    assert "no epoch has ended" in curves.in_words({"c": curves.of([])}, "Accuracy")


def test_every_chart_that_the_app_offers_is_in_every_history(run: Run) -> None:
    there = set(curves.of(run.record.history)["series"])
    assert there == {series for names in curves.SHOWN.values() for series in names}
