"""The pictures of a run, for its card: PNG, drawn without a browser."""

from pathlib import Path
from typing import Any

from core import charts, confusion, curve_charts, curves, matrix, views
from core.charts import to_png
from core.files import write_atomically
from core.runs import Run


def write(run: Run, metrics: dict[str, Any]) -> None:
    """Draw `pictures/*.png` from the history, the test split's metrics and its predictions.

    A picture of which the run holds nothing, as of the scores of no epoch, is left out.
    """
    for name, png in (_training(run) | _evaluation(run, metrics)).items():
        _store(run.path / "pictures" / f"{name}.png", png)


def _store(path: Path, png: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(png))


def _training(run: Run) -> dict[str, bytes]:
    """What happened while training."""
    points = curves.of(run.record.history)
    groups = curves.groups(points)
    found = {}
    if "Loss" in groups:
        found["loss"] = to_png(curve_charts.losses(points), width=560)
    if names := groups.get("Validation scores"):
        found["metrics"] = to_png(curve_charts.epoch_scores(points, names), width=560)
    return found


def _evaluation(run: Run, metrics: dict[str, Any]) -> dict[str, bytes]:
    """How the model does on the test split."""
    test, labels = metrics["splits"]["test"], metrics["labels"]
    cells = confusion.written(views.confusion(test, labels), "Counts")
    bins = views.reliability(run.record.predictions("test"))
    return {
        "confusion": to_png(matrix.chart(cells, clickable=False), width=max(280, 60 * len(labels))),
        "per_class": to_png(charts.class_bars(views.class_scores(test))),
        "reliability": to_png(charts.reliability(bins, test["expected_calibration_error"]["value"])),
    }
