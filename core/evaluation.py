"""A split as the Evaluation page looks at it: what was decided at a threshold, how surely, and of which examples."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from core import calibration, slices, threshold
from core.metrics import Outcome
from core.predictions import Predictions
from core.runs import Record
from core.slices import Slices


@dataclass(frozen=True)
class Split:
    """A record's split, and what is known of its examples whatever is decided: read once, shared by all who look."""

    record: Record
    name: str
    found: Predictions

    @cached_property
    def temperature(self) -> float:
        """What makes confidence mean what it says; see calibration.py."""
        return calibration.of_record(self.record)

    @cached_property
    def slices(self) -> Slices:
        """Groups of the examples by name."""
        leaked = self.record.data["audit"].get("leaked", {}).get(self.name, [])  # older runs do not know
        return slices.of(self.found, leaked, self.record.slices(self.name))


@dataclass(frozen=True)
class Evaluation:
    """A split with the second of two labels decided from `threshold` on."""

    split: Split
    threshold: float = threshold.USUAL

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in index order."""
        return self.split.record.labels

    @property
    def found(self) -> Predictions:
        """The split's predictions."""
        return self.split.found

    @property
    def slices(self) -> Slices:
        """Groups of the examples by name."""
        return self.split.slices

    @cached_property
    def decisions(self) -> npt.NDArray[np.int64]:
        """(n,) decided labels."""
        return threshold.decide(self.found, self.split.temperature, self.threshold)

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """(n,) calibrated probability of the decided label."""
        return calibration.confidence(self.found, self.split.temperature, self.decisions)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the decided label is the true one."""
        return np.asarray(self.decisions == self.found.label)

    @cached_property
    def cells(self) -> npt.NDArray[np.int64]:
        """(k, k) counts, the confusion matrix: true labels in rows, decided ones in columns."""
        return Outcome(self.found.label, self.decisions, None, len(self.labels)).cells

    @cached_property
    def scores(self) -> dict[str, Any]:
        """The split's entry as in metrics.json, of what is decided here."""
        published = self.split.record.metrics["splits"][self.split.name]
        return threshold.summary(self.found, self.decisions, self.labels, published)
