"""How many reviews have which label, drawn."""

import pandas as pd

from core import charts, distribution, theme

LABELS = pd.DataFrame(
    {"label": ["a", "b", "c"], "index": [0, 1, 2], "count": [2, 0, 7], "shown": ["2 · 22%", "0 · 0%", "7 · 78%"]}
)
BINS = pd.DataFrame({"label": ["a", "c"], "index": [0, 2], "low": [0.5, 0.95], "high": [0.55, 1.0], "count": [2, 7]})


def test_the_commonest_label_comes_first_and_labels_keep_their_colours() -> None:
    chart = distribution.by_label(LABELS).to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["label"] for row in rows] == ["c", "a", "b"]
    scale = chart["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == dict(enumerate(theme.label_colours(3)))


def test_the_chart_of_confidence_has_the_same_colours() -> None:
    scale = distribution.by_confidence(BINS, 3).to_dict()["encoding"]["color"]["scale"]
    assert scale["range"] == theme.label_colours(3)


def test_both_can_be_drawn_also_of_nothing() -> None:
    none = LABELS.assign(count=0)
    for chart in (distribution.by_label(LABELS), distribution.by_label(none), distribution.by_confidence(BINS, 3)):
        assert charts.to_png(chart, width=400).startswith(b"\x89PNG")  # type: ignore[arg-type]
