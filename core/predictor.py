"""Texts -> logits, by a model in a local folder.

Texts are tokenized some thousands at a time, sorted by length, and read in batches of about as many tokens each, padded
to their longest; longer texts than the model reads are cut, and counted.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import model_files
from core.backends import BACKENDS, REFERENCE
from core.data import hashes
from core.errors import InputError, ModelError, VerdictError
from core.parity import Parity
from core.predictions import Predictions
from core.tokenizer import Tokenizer, Tokens, readable, rounded

AT_ONCE = 4096
"""Texts that are tokenized together: enough to find others of the same length, few enough to hold in memory."""
BUDGET = 4096
"""Tokens in a batch, padding included: more are no faster, and take memory."""

_turn = threading.Lock()
"""A backend takes all processors: two at a time would only be in each other's way."""

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


class Predictor:
    """A model that reads texts, executed by one of core/backends.py."""

    def __init__(self, folder: Path, backend: str = REFERENCE) -> None:
        """Load the model in `folder`. Raises ModelError when files are missing, unsafe or do not fit together."""
        self.backend = backend
        self.parity: Parity | None = None
        """what the backend says, against the reference; None where nobody asked, as of the reference itself"""
        try:
            config = model_files.require_files(folder)
            self.labels = model_files.labels(config)
            self._tokenizer = Tokenizer(folder, config.get("max_position_embeddings", model_files.MOST_TOKENS))
            self._logits = BACKENDS[backend](folder, self._tokenizer)
            self.predict(["a", "a b"])  # what still does not fit is told here, not to the first reader
        except VerdictError:
            raise
        except Exception as error:  # whatever a damaged file makes the libraries raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"The model in {folder.name} cannot be loaded: {reason}") from error
        self.max_tokens, self.room = self._tokenizer.max_tokens, self._tokenizer.room
        self.spans, self.unknown = self._tokenizer.spans, self._tokenizer.unknown

    def predict(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Output:
        """Logits of each text, or of each pair of texts, in the order given.

        Raises ModelError when they are not finite.
        """
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        n_tokens = np.empty(len(texts), dtype=np.int64)
        done = 0
        for start, tokens in self._tokenized(texts, pairs):
            n_tokens[start : start + len(tokens.ids)] = tokens.n_tokens
            for rows in batches(tokens.lengths):
                logits[start + rows] = self._compute(tokens, rows)
                done += len(rows)
                if progress:
                    progress(done, len(texts))
        require_finite(logits)
        return Output(logits, n_tokens, n_tokens > self._tokenizer.max_tokens)

    def _tokenized(self, texts: Sequence[str], pairs: Sequence[str] | None) -> Iterator[tuple[int, Tokens]]:
        """Where AT_ONCE texts begin, and their tokens; the next ones are made while these are read."""

        def tokens(start: int) -> Tokens:
            some = slice(start, start + AT_ONCE)
            return self._tokenizer.tokens(texts[some], pairs[some] if pairs is not None else None)

        if len(texts) <= AT_ONCE:
            yield 0, tokens(0)
            return
        starts = range(0, len(texts), AT_ONCE)
        with ThreadPoolExecutor(1, thread_name_prefix="tokenizer") as ahead:
            waiting = ahead.submit(tokens, 0)
            for start in starts:
                found = waiting.result()
                if start != starts[-1]:
                    waiting = ahead.submit(tokens, start + AT_ONCE)
                yield start, found

    def _compute(self, tokens: Tokens, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        with _turn:
            found = self._logits(tokens.batch(rows))
        if found.shape != (len(rows), len(self.labels)):
            raise ModelError(
                f"The model gives {found.shape[-1]} outputs, but its config.json names {len(self.labels)} labels."
            )
        return found

    def truncated_share(self, frame: pd.DataFrame, most: int = 0) -> float:
        """Share of a split's texts that are too long to be read whole: by the model, or in `most` tokens."""
        texts, pairs = frame["text"].tolist(), frame["text_pair"].tolist() if "text_pair" in frame else None
        long = 0
        for _, tokens in self._tokenized(texts, pairs):
            long += int((tokens.n_tokens > (most or self.max_tokens)).sum())
        return long / len(texts)


def load(folder: Path, backend: str = REFERENCE) -> Predictor:
    """The model in `folder`, ready to predict. Raises ModelError."""
    return Predictor(folder, backend)


def predict_split(predictor: Predictor, frame: pd.DataFrame, progress: Progress | None = None) -> Predictions:
    """Predictions for a split: a frame with `id`, `text`, `label` and, for pairs, `text_pair`."""
    pairs = frame["text_pair"].tolist() if "text_pair" in frame else None
    output = predictor.predict(frame["text"].tolist(), pairs, progress)
    return Predictions(
        id=frame["id"].astype("str").array,
        text_sha256=pd.array(hashes(frame), dtype="str"),
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


def batches(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of n texts in batches of at most BUDGET tokens (or one text), longest first.

    If memory runs out, it does at once.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, BUDGET // rounded(int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def require_finite(logits: npt.ArrayLike) -> None:
    """Raises ModelError when a model answers with anything but numbers, as one does whose training diverged."""
    if not np.isfinite(logits).all():
        raise ModelError(f"The model's outputs are not finite numbers: {model_files.DIVERGED}")
