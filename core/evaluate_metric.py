"""The project's metrics as an `evaluate.Metric`, for `evaluate.combine`, evaluators and trainers; works offline.

Kept apart from metrics.py because importing `evaluate` imports torch and transformers.
"""

from typing import Any

import evaluate
import numpy as np
import numpy.typing as npt
from datasets import Features, Value
from datasets import Sequence as Repeated

from core import metrics

_DESCRIPTION = "Accuracy; precision, recall and F1 by averaging; ROC-AUC, loss and calibration where logits are given."
_INPUTS = "predictions: logits (n lists of k floats) or decided labels (n integers). references: n integers."


class ReviewMetrics(evaluate.Metric):  # type: ignore[misc]  # evaluate is untyped
    """`ReviewMetrics().compute(predictions=logits, references=labels)` -> {name: value}.

    Predictions may be logits or labels; for labels, `n_labels` (default: as many as occur, at least 2) sets k.
    """

    def _info(self) -> evaluate.MetricInfo:
        label = Value("int64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=[
                Features({"predictions": Repeated(Value("float32")), "references": label}),
                Features({"predictions": label, "references": label}),
            ],
        )

    def _compute(
        self, *, predictions: npt.ArrayLike, references: npt.ArrayLike, n_labels: int | None = None, **_: Any
    ) -> dict[str, float]:
        given, labels = np.asarray(predictions), np.asarray(references, dtype=np.int64)
        if given.ndim == 2:
            return metrics.values(metrics.Outcome.of_logits(given, labels))
        k = n_labels or max(2, int(max(given.max(), labels.max())) + 1)
        return metrics.values(metrics.Outcome(labels, given.astype(np.int64), None, k))
