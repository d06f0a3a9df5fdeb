"""Whether a backend says what the reference says, on this machine, before anybody reads it.

Results in few bits depend on the processor, so it is asked where the model runs, not where it was made: on a golden
batch of texts that lies beside the exported model, with the reference's own logits.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.calibration import probabilities
from core.errors import ModelError
from core.files import write_json
from core.predictor import Predictor

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


def golden(reference: Predictor, texts: Sequence[str], pairs: Sequence[str] | None) -> Golden:
    """A golden batch of what the reference says of these texts."""
    given = list(texts), None if pairs is None else list(pairs)
    return Golden(*given, reference.predict(*given).logits.tolist())


def load(folder: Path) -> Golden:
    """The golden batch of an exported model. Raises ModelError when it is missing or damaged."""
    try:
        stored: dict[str, Any] = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
        return Golden(**stored)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"The model's {GOLDEN} is missing or damaged: {error}") from None


def check(predictor: Predictor, expected: Golden) -> Parity:
    """What a backend says of the golden batch, against what the reference said."""
    return between(predictor.predict(expected.texts, expected.pairs).logits, np.array(expected.logits))


def between(found: npt.ArrayLike, reference: npt.ArrayLike) -> Parity:
    """(n, k) logits of a backend against those of the reference."""
    ours, theirs = np.asarray(found), np.asarray(reference)
    moved = np.abs(probabilities(ours, 1.0) - probabilities(theirs, 1.0))
    return Parity(len(ours), int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum()), float(moved.max()))
