"""The pictures of a run, for its card: PNG, drawn without a browser."""

from typing import Any

from core import charts, views
from core.files import write_atomically
from core.runs import Run


def write(run: Run, metrics: dict[str, Any]) -> None:
    """Draw `pictures/confusion.png` from the test split's metrics."""
    cells = views.confusion(metrics["splits"]["test"], metrics["labels"])
    chart = charts.confusion_matrix(cells, by_row=False, clickable=False)
    png = charts.to_png(chart, width=max(280, 60 * len(metrics["labels"])))
    write_atomically(run.path / "pictures" / "confusion.png", lambda path: path.write_bytes(png))
