"""How a model is executed: a backend takes a padded batch of tokens and returns logits.

A backend is one class here and one entry in BACKENDS.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core import model_files
from core.tokenizer import Batch, Tokenizer

REFERENCE = "torch"


class Backend(Protocol):
    """A loaded model."""

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""


class Torch:
    """PyTorch in float32, as transformers loads the model: the reference."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        """Raises ModelError for weights that are not sound, and whatever a damaged file leads to."""
        import torch
        from transformers import AutoModelForSequenceClassification

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_files.require_room(folder, config)
        self._model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, local_files_only=True, trust_remote_code=False,
        )  # fmt: skip
        model_files.require_sound(self._model, report, tokenizer.largest)
        self._model.eval()
        self._names = _accepted(self._model)

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""
        import torch

        given = {name: torch.from_numpy(batch[name]) for name in self._names}
        with torch.inference_mode():
            return np.asarray(self._model(**given).logits.float().numpy())


BACKENDS: dict[str, Callable[[Path, Tokenizer], Backend]] = {REFERENCE: Torch}


def _accepted(model: Any) -> list[str]:
    """Which parts of a batch a model takes: some know no token types."""
    known = inspect.signature(model.forward).parameters
    return [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in known]
