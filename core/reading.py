"""How a text is read that is longer than the model reads at once: its head, its head and tail, or all of it in windows.

Modes divide a text's tokens; what a model is given are the characters behind them, so that any backend reads any mode.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core import calibration
from core.errors import InputError
from core.explain import Predict
from core.predictor import Predictor, check_text
from core.tokenizer import readable

HEAD, HEAD_AND_TAIL, WINDOWS = "head", "head and tail", "sliding windows"
MOST_WINDOWS = 256
"""More would keep a reader waiting for minutes."""

Piece = tuple[tuple[int, int], ...]
"""What is given to the model at once: ranges of tokens, or of characters."""


def _head(n: int, room: int) -> list[Piece]:
    """The first tokens: what the model's evaluation reads."""
    return [((0, room),)]


def _head_and_tail(n: int, room: int) -> list[Piece]:
    """A quarter from the beginning and three from the end.

    C. Sun et al., How to Fine-Tune BERT for Text Classification?, CCL 2019, with 128 and 382 tokens.
    """
    first = room // 4
    return [((0, first), (n - room + first, n))]


def _windows(n: int, room: int) -> list[Piece]:
    """Windows that overlap by half, the last one at the end."""
    starts = [*range(0, n - room, max(1, room // 2)), n - room]
    if len(starts) > MOST_WINDOWS:
        raise InputError(
            f"The text is too long to be read in windows: it would take {len(starts):,} of them, and {MOST_WINDOWS} "
            "are allowed. Read its head, or its head and tail."
        )
    return [((start, start + room),) for start in starts]


MODES = {HEAD: _head, HEAD_AND_TAIL: _head_and_tail, WINDOWS: _windows}
"""Of n tokens with room for fewer: the pieces that are read."""


@dataclass(frozen=True)
class Reading:
    """What a model made of one text, or of a pair."""

    probabilities: npt.NDArray[np.float64]
    """(k,) their mean where there were several pieces"""
    mode: str
    text: str
    """as the model was given it"""
    n_tokens: int
    """of the whole text, special ones included"""
    n_read: int
    """of these, how many the model read"""
    unread: Piece
    """ranges of characters that played no part; unknown of pairs"""
    n_pieces: int
    telling: str
    """the piece that speaks most for the decision: of one piece, what was read of the text"""
    unknown: float
    """share of the tokens that the model has no entry for"""
    seconds: float

    @property
    def decided(self) -> int:
        """Index of the likeliest label."""
        return int(self.probabilities.argmax())


def read(
    predictor: Predictor, text: str, pair: str | None = None, mode: str = HEAD, temperature: float = 1.0
) -> Reading:
    """Read one text, or a pair (always by its head); probabilities are taken at `temperature`.

    Raises InputError when there is nothing to read, or far too much.
    """
    check_text(text)
    if pair is not None:
        check_text(pair, "The second text")
    start = time.perf_counter()
    text = readable(text)
    spans = predictor.spans(text) if pair is None and too_long(predictor, text) else np.empty((0, 2), np.int64)
    pieces = MODES[mode](len(spans), predictor.room) if len(spans) else []
    parts = [" ".join(text[a:b] for a, b in _characters(piece, spans)) for piece in pieces] or [text]
    # What the evaluation was given is the whole text, of which the model reads the head.
    given = [text] if mode == HEAD else parts
    output = predictor.predict(given, None if pair is None else [pair])
    each = calibration.probabilities(output.logits, temperature)
    probabilities, unread = each.mean(axis=0), _unread(len(spans), pieces)
    n_tokens = len(spans) + predictor.max_tokens - predictor.room if pieces else int(output.n_tokens[0])
    n_unread = sum(b - a for a, b in unread) if pieces else max(0, n_tokens - predictor.max_tokens)
    return Reading(
        probabilities=probabilities,
        mode=mode,
        text=text,
        n_tokens=n_tokens,
        n_read=n_tokens - n_unread,
        unread=_characters(unread, spans),
        n_pieces=len(given),
        telling=parts[int(each[:, probabilities.argmax()].argmax())],
        unknown=predictor.unknown(text),
        seconds=time.perf_counter() - start,
    )


def parts(
    predictor: Predictor, reading: Reading, pair: str | None = None, temperature: float = 1.0
) -> list[tuple[Predict, str]]:
    """What can be explained of a reading: a text, and the model as a function of texts in its place.

    Of a pair these are both texts, each beside the other as it is; of a text in pieces, the one that tells most.
    """

    def predict(texts: Sequence[str], pairs: Sequence[str] | None) -> npt.NDArray[np.float64]:
        return calibration.probabilities(predictor.predict(texts, pairs).logits, temperature)

    if pair is None:
        return [(lambda texts: predict(texts, None), reading.telling)]
    first, second = reading.text, readable(pair)
    return [
        (lambda texts: predict(texts, [second] * len(texts)), first),
        (lambda texts: predict([first] * len(texts), texts), second),
    ]


def too_long(predictor: Predictor, text: str) -> bool:
    """Whether a text has more tokens than are read at once."""
    # A token has a character at least, so that most texts need not be looked at.
    return len(text) > predictor.room and len(predictor.spans(readable(text))) > predictor.room


def _characters(tokens: Piece, spans: npt.NDArray[np.int64]) -> Piece:
    return tuple((int(spans[first, 0]), int(spans[end - 1, 1])) for first, end in tokens)


def _unread(n: int, pieces: Sequence[Piece]) -> Piece:
    """The ranges of n tokens that are in no piece."""
    read = np.zeros(n, dtype=np.int8)
    for first, end in (tokens for piece in pieces for tokens in piece):
        read[first:end] = 1
    edges = np.flatnonzero(np.diff(read, prepend=1, append=1))  # where reading stops, and where it goes on
    return tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))
