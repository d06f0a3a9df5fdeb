"""Made-up records of a split, without files: predictions of any number of labels, and what a run would say of them."""

from typing import Any

import numpy as np
import pandas as pd

from core.evaluation import Evaluation, Split
from core.predictions import Predictions
from core.threshold import USUAL


def predictions(k: int = 2, n: int = 200, seed: int = 3) -> Predictions:
    """Logits whose largest is often that of the label; lengths of 5 to 60 tokens, of which 50 are read."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), labels] += 1.2
    lengths = rng.integers(5, 61, n)
    names = np.array([f"e{row}" for row in range(n)])
    return Predictions(names, names, labels, logits.astype(np.float32), lengths, lengths > 50)


class Stored:
    """As much of a record as an evaluation reads."""

    def __init__(self, k: int, leaked: list[str] | None = None, columns: pd.DataFrame | None = None) -> None:
        self.labels = tuple(f"label {n}" for n in range(k))
        self.metrics: dict[str, Any] = {"temperature": 1.5, "labels": list(self.labels)}
        self.data: dict[str, Any] = {"audit": {} if leaked is None else {"leaked": {"test": leaked}}}
        self._columns = columns

    def slices(self, split: str) -> pd.DataFrame | None:
        return self._columns


def evaluation(found: Predictions, at: float = USUAL, **stored: Any) -> Evaluation:
    """The page's view of these predictions."""
    return Evaluation(Split(Stored(found.logits.shape[1], **stored), "test", found), at)  # type: ignore[arg-type]
