"""A run's pictures: drawn from whatever its history and predictions hold, and true to them."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import charts, metrics, theme, views
from core.metrics import Outcome
from core.predictions import Predictions
from core.runs import Run
from tests.histories import history
from train import pictures

EVALUATION = {"confusion.png", "per_class.png", "reliability.png"}
TRAINING = {"loss.png", "metrics.png"}


def predictions(k: int, n: int = 300, sureness: float = 1.0) -> Predictions:
    """Made-up logits whose largest is often that of the label."""
    rng = np.random.default_rng(k)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += 1.5
    names = np.array([f"e{row}" for row in range(n)])
    return Predictions(names, names, labels, (sureness * logits).astype(np.float32), np.ones(n, int), np.zeros(n, bool))


def measured(found: Predictions, labels: list[str]) -> dict[str, Any]:
    """What the pictures need of metrics.json, without the intervals, which take long."""
    outcome = Outcome.of_logits(found.logits, found.label)
    rows = [dict(zip(("precision", "recall", "f1", "n"), column, strict=True)) for column in outcome.per_class.T]
    error = metrics.values(outcome)["expected_calibration_error"]
    test = {
        "per_class": [{"label": name, **row, "n": int(row["n"])} for name, row in zip(labels, rows, strict=True)],
        "confusion": outcome.cells.tolist(),
        "expected_calibration_error": {"value": error, "low": None, "high": None},
    }
    return {"labels": labels, "splits": {"test": test}}


def drawn(
    folder: Path, found: Predictions, logged: list[dict[str, Any]], labels: list[str] | None = None
) -> dict[str, bytes]:
    """The pictures of a run that holds these, by name."""
    run = Run(folder)
    run.write_predictions("test", found)
    for entry in logged:
        run.log(entry)
    pictures.write(run, measured(found, labels or [f"label {n}" for n in range(found.logits.shape[1])]))
    return {path.name: path.read_bytes() for path in (folder / "pictures").iterdir()}


def colours(png: bytes) -> set[str]:
    """The colours of many pixels of a picture."""
    image = Image.open(BytesIO(png)).convert("RGB")
    counted = image.getcolors(1 << 24)
    assert counted
    return {"#{:02X}{:02X}{:02X}".format(*colour) for count, colour in counted if count > 100}


@pytest.mark.parametrize(("k", "epochs", "steps"), [(2, 3, 20), (20, 1, 0), (8, 15, 1)])
def test_every_run_has_every_picture(tmp_path: Path, k: int, epochs: int, steps: int) -> None:
    found = drawn(tmp_path, predictions(k), history(epochs, steps))
    assert set(found) == EVALUATION | TRAINING
    for name, png in found.items():
        image = Image.open(BytesIO(png))
        assert image.format == "PNG"
        assert image.width >= 700
        assert colours(png) >= {"#FFFFFF"}, name
    training, validation = theme.label_colours(2)
    assert (training in colours(found["loss.png"])) == bool(steps)
    assert validation in colours(found["loss.png"])
    assert colours(found["per_class.png"]) >= set(theme.label_colours(k))


def test_a_run_without_epochs_has_no_picture_of_them(tmp_path: Path) -> None:
    steps = [entry for entry in history(1, 5) if entry["kind"] == "step"]
    assert set(drawn(tmp_path / "steps", predictions(2), steps)) == EVALUATION | {"loss.png"}
    assert set(drawn(tmp_path / "nothing", predictions(2), [])) == EVALUATION


@pytest.mark.parametrize("found", [predictions(2, n=1), predictions(2, sureness=100)])
def test_one_example_or_one_sure_model_makes_a_diagram(found: Predictions) -> None:
    chart = charts.reliability(views.reliability(found), 0.0)
    assert len(charts.to_png(chart)) > 5_000


def test_the_same_run_has_the_same_pictures(tmp_path: Path) -> None:
    logged = history(1, 3)[:3]
    first, second = (drawn(tmp_path / name, predictions(3), logged) for name in ("first", "second"))
    assert first == second


def test_names_of_labels_are_drawn_and_not_read(tmp_path: Path) -> None:
    labels = ["<b>datum.x</b>", "=1+1 \u202e'\""]
    assert set(drawn(tmp_path, predictions(2), [], labels)) == EVALUATION


@pytest.mark.parametrize("k", [2, 8])
def test_the_bins_make_up_the_expected_calibration_error(k: int) -> None:
    found = predictions(k, sureness=2)
    bins = views.reliability(found)
    stated = metrics.values(Outcome.of_logits(found.logits, found.label))["expected_calibration_error"]
    gaps = (bins["confidence"] - bins["accuracy"]).abs() * bins["count"]
    assert gaps.sum() / bins["count"].sum() == pytest.approx(stated)
    assert bins["count"].sum() == len(found)
    assert (bins["confidence"].between(bins["low"], bins["high"])).all()
    assert (bins["accuracy"].between(bins["accuracy_low"] - 1e-9, bins["accuracy_high"] + 1e-9)).all()


def test_labels_are_sorted_by_f1_and_keep_their_index() -> None:
    rows = [
        {"label": name, "precision": 0.5, "recall": 0.25, "f1": f1, "n": 3} for name, f1 in [("a", 0.1), ("b", 0.9)]
    ]
    shown = views.class_scores({"per_class": rows})
    assert list(shown["label"]) == ["b", "a"] * 3
    assert list(shown["index"]) == [1, 0] * 3
    assert list(shown["metric"]) == ["Precision"] * 2 + ["Recall"] * 2 + ["F1"] * 2
    assert list(shown["shown"]) == ["0.500", "0.500", "0.250", "0.250", "0.900", "0.100"]
