"""Texts -> logits, by a model in a local folder.

Texts are sorted by length and padded to the longest of their batch; longer ones than the model reads are cut, and
counted. A backend is one class here and one entry in BACKENDS.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import model_files
from core.data import hashes
from core.errors import InputError, ModelError, VerdictError
from core.predictions import Predictions

if TYPE_CHECKING:
    from transformers import BatchEncoding

BATCH = 32

Progress = Callable[[int, int], object]
"""Called with (texts done, texts in all)."""


@dataclass(frozen=True)
class Output:
    """What a model said of n texts."""

    logits: npt.NDArray[np.float32]
    """(n, k)"""
    n_tokens: npt.NDArray[np.int64]
    """(n,) tokens of the whole text, special ones included"""
    truncated: npt.NDArray[np.bool_]
    """(n,) whether only the beginning was read"""


class TorchPredictor:
    """The reference backend: PyTorch in float32, as transformers loads the model."""

    def __init__(self, folder: Path) -> None:
        """Load the model in `folder`. Raises ModelError when files are missing, unsafe or do not fit together."""
        self._one_encodes = threading.Lock()
        try:
            model_files.require_room(folder, model_files.require_files(folder))
            self._load(folder)
            self.predict(["a", "a b"])  # what still does not fit is told here, not to the first reader
        except VerdictError:
            raise
        except Exception as error:  # whatever a damaged file makes the libraries raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"The model in {folder.name} cannot be loaded: {reason}") from error

    def _load(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        safely: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **safely)
        self._model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **safely
        )
        model_files.require_sound(self._model, report, self._tokenizer)
        self._model.eval()
        self.labels = model_files.labels(self._model.config.id2label)
        self.max_tokens = int(min(self._tokenizer.model_max_length, self._model.config.max_position_embeddings))

    def predict(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Output:
        """Logits of each text, or of each pair of texts, in the order given.

        Raises ModelError when they are not finite.
        """
        lengths = self._lengths(texts, pairs)
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        done = 0
        for rows in _batches(lengths):
            logits[rows] = self._logits([texts[i] for i in rows], [pairs[i] for i in rows] if pairs else None)
            done += len(rows)
            if progress:
                progress(done, len(texts))
        require_finite(logits)
        return Output(logits, lengths, lengths > self.max_tokens)

    def unknown(self, text: str) -> float:
        """Share of the text's tokens that the model has no entry for (emoji, foreign scripts): 0 to 1."""
        ids = self._encode([text], None, add_special_tokens=False, truncation=True)["input_ids"][0]
        return ids.count(self._tokenizer.unk_token_id) / len(ids) if ids else 1.0

    @property
    def room(self) -> int:
        """How many tokens of one text the model reads at once: special tokens take some of `max_tokens`."""
        return max(1, self.max_tokens - int(self._tokenizer.num_special_tokens_to_add(pair=False)))

    def spans(self, text: str) -> npt.NDArray[np.int64]:
        """(n, 2) where the text's tokens begin and end, in characters; special tokens are not among them.

        Raises ModelError when the model's tokenizer cannot tell.
        """
        if not self._tokenizer.is_fast:
            raise ModelError(f"This model reads at most {self.max_tokens:,} tokens, and cannot tell where they end.")
        how = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        found = self._encode([text], None, truncation=False, **how)["offset_mapping"][0]
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def truncated_share(self, frame: pd.DataFrame) -> float:
        """Share of a split's texts that are too long to be read whole."""
        pairs = frame["text_pair"].tolist() if "text_pair" in frame else None
        return float((self._lengths(frame["text"].tolist(), pairs) > self.max_tokens).mean())

    def _encode(self, texts: Sequence[str], pairs: Sequence[str] | None, **how: Any) -> "BatchEncoding":
        columns = [[readable(text) for text in column] for column in (texts, pairs) if column is not None]
        limit = self.max_tokens if how.get("truncation") else None
        with self._one_encodes:  # the tokenizer itself keeps how it pads and cuts
            encoded: BatchEncoding = self._tokenizer(*columns, max_length=limit, **how)
        return encoded

    def _lengths(self, texts: Sequence[str], pairs: Sequence[str] | None) -> npt.NDArray[np.int64]:
        if not texts:
            return np.empty(0, dtype=np.int64)  # tokenizers fail on an empty list
        encoded = self._encode(texts, pairs, truncation=False, verbose=False)
        return np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)

    def _logits(self, texts: Sequence[str], pairs: Sequence[str] | None) -> npt.NDArray[np.float32]:
        import torch

        encoded = self._encode(texts, pairs, truncation=True, padding="longest", return_tensors="pt")
        with torch.inference_mode():
            return np.asarray(self._model(**encoded).logits.float().numpy())


BACKENDS = {"torch": TorchPredictor}


def load(folder: Path, backend: str = "torch") -> TorchPredictor:
    """The model in `folder`, ready to predict. Raises ModelError."""
    return BACKENDS[backend](folder)


def predict_split(predictor: TorchPredictor, frame: pd.DataFrame, progress: Progress | None = None) -> Predictions:
    """Predictions for a split: a frame with `id`, `text`, `label` and, for pairs, `text_pair`."""
    pairs = frame["text_pair"].tolist() if "text_pair" in frame else None
    output = predictor.predict(frame["text"].tolist(), pairs, progress)
    return Predictions(
        id=frame["id"].to_numpy(dtype=np.str_),
        text_sha256=np.array(hashes(frame), dtype=np.str_),
        label=frame["label"].to_numpy(dtype=np.int64),
        logits=output.logits,
        n_tokens=output.n_tokens,
        truncated=output.truncated,
    )


def check_text(text: str, name: str = "The text") -> str:
    """The text as it can be classified. Raises InputError when there is nothing in it to read."""
    if not readable(text).strip():
        raise InputError(f"{name} is empty: type a few words to classify.")
    return text


def readable(text: str) -> str:
    """The text as tokenizers take it, every character in its place."""
    # NUL ends strings in some tokenizers, and lone surrogates have no UTF-8: neither may stop a whole file.
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def _batches(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    order = np.argsort(-lengths, kind="stable")  # longest first: if memory runs out, it does at once
    return (order[start : start + BATCH] for start in range(0, len(order), BATCH))


def require_finite(logits: npt.ArrayLike) -> None:
    """Raises ModelError when a model answers with anything but numbers, as one does whose training diverged."""
    if not np.isfinite(logits).all():
        raise ModelError(f"The model's outputs are not finite numbers: {model_files.DIVERGED}")
