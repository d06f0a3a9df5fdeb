"""Whether a backend says what the reference says: results in few bits depend on the processor.

So it is asked where the model runs, not where it was made, on a golden batch that lies beside the exported model:
texts, with the reference's own logits.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.calibration import probabilities
from core.errors import ModelError
from core.files import write_json

GOLDEN = "onnx/golden.json"
ALLOWED = 0.01
"""By how much a probability may move."""


@dataclass(frozen=True)
class Golden:
    """n texts and what the reference says of them."""

    texts: list[str]
    pairs: list[str] | None
    logits: list[list[float]]
    """(n, k)"""

    def save(self, folder: Path) -> None:
        """Write it beside the exported model."""
        write_json(folder / GOLDEN, asdict(self))


@dataclass(frozen=True)
class Parity:
    """A backend against the reference."""

    n: int
    """texts"""
    changed: int
    """texts that are decided differently"""
    largest: float
    """change of a probability"""

    @property
    def passed(self) -> bool:
        """Whether the backend may be used."""
        return self.changed == 0 and self.largest <= ALLOWED


def load(folder: Path) -> Golden:
    """The golden batch of an exported model. Raises ModelError when it is missing or damaged."""
    try:
        stored: dict[str, Any] = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
        return Golden(**stored)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"The model's {GOLDEN} is missing or damaged: {error}") from None


def between(found: npt.ArrayLike, reference: npt.ArrayLike) -> Parity:
    """(n, k) logits of a backend against those of the reference. Raises ModelError for other shapes."""
    ours, theirs = np.asarray(found), np.asarray(reference)
    if ours.shape != theirs.shape:
        raise ModelError(f"A backend gave {ours.shape} logits where the reference has {theirs.shape}.")
    moved = np.abs(probabilities(ours, 1.0) - probabilities(theirs, 1.0))
    return Parity(len(ours), int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum()), float(moved.max()))
