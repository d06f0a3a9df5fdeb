"""Texts -> token ids, by the tokenizer in a model's folder; the libraries that hold models are not needed for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers

from core.model_files import TOKENIZER

Batch = dict[str, npt.NDArray[np.int64]]
"""What a model is given: `input_ids`, `attention_mask` and `token_type_ids`, each (n, longest)."""


STEP = 16
"""Fast backends prepare themselves for every length they have not met, which takes longer than to read a text."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of n texts, as the model reads them: long ones cut."""

    ids: list[npt.NDArray[np.int32]]
    types: list[npt.NDArray[np.int8]]
    """0 in the first text of a pair, 1 in the second"""
    n_tokens: npt.NDArray[np.int64]
    """(n,) of the whole texts, special ones included"""
    padding: int
    """id of the token that fills up the shorter texts of a batch"""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) tokens that are read."""
        return np.array([len(each) for each in self.ids], dtype=np.int64)

    def batch(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Batch:
        """Some of the texts, padded to the longest of them."""
        longest = max(len(self.ids[row]) for row in rows)
        found = {
            "input_ids": np.full((len(rows), longest), self.padding, dtype=np.int64),
            "attention_mask": np.zeros((len(rows), longest), dtype=np.int64),
            "token_type_ids": np.zeros((len(rows), longest), dtype=np.int64),
        }
        for place, row in enumerate(rows):
            n = len(self.ids[row])
            found["input_ids"][place, :n] = self.ids[row]
            found["attention_mask"][place, :n] = 1
            found["token_type_ids"][place, :n] = self.types[row]
        return found


class Tokenizer:
    """The tokenizer of a model."""

    def __init__(self, folder: Path, most: int) -> None:
        """From `tokenizer.json`, for a model that has room for `most` tokens. Raises what damaged files lead to."""
        path = folder / "tokenizer_config.json"
        stated: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.max_tokens = int(min(stated.get("model_max_length", most), most))
        self._whole = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        self._whole.no_truncation()
        self._whole.no_padding()
        # One object can't do both: its settings hold for all threads.
        self._cut = tokenizers.Tokenizer.from_str(self._whole.to_str())
        self._side = stated.get("truncation_side", "right")
        self._cut.enable_truncation(self.max_tokens, direction=self._side)
        self._padding = self._id(stated.get("pad_token"))
        self._unknown = self._id(stated.get("unk_token"))

    @property
    def largest(self) -> int:
        """The highest id of a token."""
        return max(self._whole.get_vocab().values())

    @property
    def room(self) -> int:
        """How many tokens of one text the model reads at once: special tokens take some of `max_tokens`."""
        return max(1, self.max_tokens - self._whole.num_special_tokens_to_add(False))

    def tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tokens:
        """The tokens of each text, or of each pair of texts."""
        given = [readable(text) for text in texts]
        inputs: list[Any] = given if pairs is None else list(zip(given, map(readable, pairs), strict=True))
        found = self._whole.encode_batch_fast(inputs)
        n_tokens = np.array([len(each) for each in found], dtype=np.int64)
        long = np.flatnonzero(n_tokens > self.max_tokens)
        alone = pairs is None and self._side == "right"
        if not alone:  # which of two texts is cut is the library's to say
            for row, cut in zip(long, self._cut.encode_batch_fast([inputs[row] for row in long]), strict=True):
                found[row] = cut
        ids = [np.array(each.ids, dtype=np.int32) for each in found]
        types = [np.array(each.type_ids, dtype=np.int8) for each in found]
        for row in long if alone else ():
            kept = self._beginning(found[row])
            ids[row], types[row] = ids[row][kept], types[row][kept]
        return Tokens(ids, types, n_tokens, self._padding or 0)

    def _beginning(self, whole: tokenizers.Encoding) -> npt.NDArray[np.bool_]:
        """(n,) which tokens of a text are read: the special ones, and as many others as there is room for."""
        special = np.array(whole.special_tokens_mask, dtype=bool)
        kept: npt.NDArray[np.bool_] = special | (np.cumsum(~special) <= self.max_tokens - special.sum())
        return kept

    def spans(self, text: str) -> npt.NDArray[np.int64]:
        """(n, 2) where the text's tokens begin and end, in characters; special tokens are not among them."""
        found = self._whole.encode(readable(text), add_special_tokens=False).offsets
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def unknown(self, text: str) -> float:
        """Share of the read tokens of a text that the model has no entry for (emoji, foreign scripts): 0 to 1."""
        ids = self._cut.encode(readable(text), add_special_tokens=False).ids
        return sum(each == self._unknown for each in ids) / len(ids) if ids else 1.0

    def _id(self, token: Any) -> int | None:
        """The id of a token as tokenizer_config.json names it."""
        name = token.get("content") if isinstance(token, dict) else token
        return self._whole.token_to_id(name) if isinstance(name, str) else None


def readable(text: str) -> str:
    """The text as tokenizers take it, every character in its place."""
    # NUL ends strings in some tokenizers, and lone surrogates have no UTF-8: neither may stop a whole file.
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def rounded(length: int) -> int:
    """A length in tokens, up to the next STEP."""
    return -(-length // STEP) * STEP


def filled_up(batch: Batch, most: int) -> Batch:
    """A batch with its lengths rounded, but not beyond `most`: what is added is not read."""
    tokens = batch["input_ids"].shape[1]
    spare = min(rounded(tokens), most) - tokens
    return {name: np.pad(each, ((0, 0), (0, spare))) for name, each in batch.items()} if spare > 0 else batch
