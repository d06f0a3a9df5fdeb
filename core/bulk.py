"""Many reviews, read in the background a chunk at a time. No chunk waits for a page, and no page for a chunk.

One chunk is read at a time in this process, and jobs take turns, so that a short one does not wait for the end of a
long one. A job that nobody looks at stops after the chunk that it is at, and goes on when somebody looks again.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from core import calibration
from core.predictor import Predictor
from core.uploads import Reviews

CHUNK = 128
"""Texts: a second or two of work for small encoders on two cores."""
CHUNK_CHARACTERS = 1_000_000
"""Of a chunk's texts, for each of which the tokenizer needs some hundred bytes; one text may have as many alone."""
PATIENCE = 150.0
"""Seconds after which nobody looks at a job; browsers wake a page that is in the background once a minute."""


class _Turns:
    """One at a time, in the order of asking."""

    def __init__(self) -> None:
        self._asking: deque[object] = deque()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._asking)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it."""
        me = object()
        with self._changed:
            self._asking.append(me)
            self._changed.wait_for(lambda: self._asking[0] is me)
        try:
            yield
        finally:
            with self._changed:
                self._asking.popleft()
                self._changed.notify_all()


_TURNS = _Turns()


class Job:
    """Reviews that a model reads, in the order given; its confidence is taken at `temperature`."""

    def __init__(self, model: str, predictor: Predictor, reviews: Reviews, temperature: float = 1.0) -> None:
        self.model = model
        self.reviews = reviews
        self.temperature = temperature
        self.labels: tuple[str, ...] = predictor.labels
        self.done = 0
        """so many of the reviews have been read"""
        self.seconds = 0.0
        """spent on them, waiting for turns included"""
        self.error: Exception | None = None
        """what ended it early"""
        self.cancelled = False
        self._predictor = predictor
        self._logits = np.empty((len(reviews), len(self.labels)), dtype=np.float32)
        self._truncated = np.empty(len(reviews), dtype=np.bool_)
        self._running = False
        self._looked_at = 0.0
        self._lock = threading.Lock()

    def look(self) -> None:
        """Keep it going, or start it (again): called as long as somebody looks."""
        with self._lock:
            self._looked_at = time.monotonic()
            if not (self.ended or self._running):
                self._running = True
                threading.Thread(target=self._run, name="bulk", daemon=True).start()

    def cancel(self) -> None:
        """Read no further; what has been read so far stays."""
        self.cancelled = True

    @property
    def ended(self) -> bool:
        """Whether no more will be read."""
        return self.cancelled or self.error is not None or self.done == len(self.reviews)

    @property
    def others(self) -> int:
        """How many other jobs it takes turns with."""
        return max(0, len(_TURNS) - 1)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(done, k) of what has been read so far."""
        return calibration.probabilities(self._logits[: self.done], self.temperature)

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """(done,) whether only the beginning was read."""
        return self._truncated[: self.done]

    @property
    def rate(self) -> float:
        """Reviews a second; 0 until the first chunk is done."""
        return self.done / self.seconds if self.seconds else 0.0

    def _run(self) -> None:
        while self._goes_on():
            start = time.monotonic()
            try:
                with _TURNS.turn():
                    self._read_chunk()
            except Exception as error:  # it is shown, or raised again, where somebody looks
                self.error = error
            self.seconds += time.monotonic() - start

    def _goes_on(self) -> bool:
        with self._lock:  # whoever looks either is seen here, or sees that nothing runs
            self._running = not self.ended and time.monotonic() - self._looked_at < PATIENCE
            return self._running

    def _read_chunk(self) -> None:
        if self.cancelled:  # while it waited
            return
        rows = slice(self.done, _end(self.reviews, self.done))
        pairs = self.reviews.pairs
        output = self._predictor.predict(self.reviews.texts[rows], pairs[rows] if pairs else None)
        self._logits[rows], self._truncated[rows] = output.logits, output.truncated
        self.done = rows.stop


def _end(reviews: Reviews, start: int) -> int:
    """Where the chunk that begins at `start` ends."""
    room = CHUNK_CHARACTERS
    for row in range(start, min(start + CHUNK, len(reviews))):
        room -= len(reviews.texts[row]) + (len(reviews.pairs[row]) if reviews.pairs else 0)
        if room < 0:
            return max(row, start + 1)
    return min(start + CHUNK, len(reviews))
