"""Many reviews in the background: order, turns, cancelling, going on, and what happens when nobody looks."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from core import bulk, calibration, predictor
from core.bulk import Job
from core.errors import ModelError
from core.predictor import Output, Predictor
from core.runs import Run
from core.uploads import Reviews
from tests import tiny


class Gate:
    """A predictor that reads a chunk when it is let, and remembers who was read."""

    labels = ("negative", "positive")

    def __init__(self, open_for: int = 0) -> None:
        self.let = threading.Semaphore(open_for)
        self.asked = 0
        self.read: list[tuple[str, int]] = []

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Output:
        self.asked += 1
        assert self.let.acquire(timeout=20)
        self.read.append((texts[0], len(texts)))
        if texts[0] == "broken":
            raise ModelError("The model is broken.")
        n = len(texts)
        return Output(np.tile(np.float32([0, 1]), (n, 1)), np.full(n, 3), np.zeros(n, dtype=bool))


def job(gate: object, texts: Sequence[str], pairs: Sequence[str] | None = None, temperature: float = 1.0) -> Job:
    reviews = Reviews(list(range(1, len(texts) + 1)), list(texts), list(pairs) if pairs else None)
    return Job("demo/x", gate, reviews, temperature)  # type: ignore[arg-type]


def until(true: Callable[[], object]) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within 20 seconds")


@pytest.fixture(scope="module")
def loaded(run: Run) -> Predictor:
    return predictor.load(run.model)


def test_every_review_gets_what_the_model_says_of_it_alone(loaded: Predictor) -> None:
    texts = [" ".join([*tiny.PRAISE, *tiny.BLAME][n % 10 :][: 1 + n % 7]) for n in range(bulk.CHUNK + 40)]
    read = job(loaded, texts, temperature=2.0)
    read.look()
    until(lambda: read.ended)
    alone = np.concatenate([loaded.predict([text]).logits for text in texts])
    assert read.probabilities == pytest.approx(calibration.probabilities(alone, 2.0), abs=1e-4)
    assert read.truncated.shape == (len(texts),)
    assert read.rate > 0


def test_pairs_are_read_as_pairs(loaded: Predictor) -> None:
    texts, pairs = ["a lovely film", "a dull book"], ["the plot", "it was very fresh"]
    read = job(loaded, texts, pairs)
    read.look()
    until(lambda: read.ended)
    alone = np.concatenate([loaded.predict([text], [pair]).logits for text, pair in zip(texts, pairs, strict=True)])
    assert read.probabilities == pytest.approx(calibration.probabilities(alone, 1.0), abs=1e-4)


def test_nothing_is_read_before_somebody_looks() -> None:
    gate = Gate(open_for=9)
    read = job(gate, ["a"])
    time.sleep(0.05)
    assert (read.done, gate.read) == (0, [])


def test_what_was_read_before_it_was_cancelled_stays() -> None:
    gate = Gate(open_for=1)
    read = job(gate, ["a"] * 3 * bulk.CHUNK)
    read.look()
    until(lambda: gate.asked == 2)
    read.cancel()
    assert read.ended
    gate.let.release(9)  # the chunk that it is at
    until(lambda: not read._running)
    assert read.done == 2 * bulk.CHUNK
    assert read.probabilities.shape == (2 * bulk.CHUNK, 2)
    read.look()
    time.sleep(0.05)
    assert len(gate.read) == 2


def test_a_job_that_nobody_looks_at_stops_and_goes_on_when_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", 0.2)
    gate = Gate(open_for=1)
    read = job(gate, ["a"] * 3 * bulk.CHUNK)
    read.look()
    until(lambda: gate.asked == 2)
    time.sleep(0.3)
    gate.let.release(9)
    until(lambda: not read._running)
    assert (read.done, read.ended) == (2 * bulk.CHUNK, False)
    read.look()
    until(lambda: read.ended)
    assert read.done == 3 * bulk.CHUNK


def test_an_error_ends_it_and_what_was_read_stays() -> None:
    read = job(Gate(open_for=9), [*["a"] * bulk.CHUNK, "broken", "b"])
    read.look()
    until(lambda: read.ended)
    assert isinstance(read.error, ModelError)
    assert (read.done, len(read.probabilities)) == (bulk.CHUNK, bulk.CHUNK)


def test_jobs_take_turns_so_that_a_short_one_is_not_kept_waiting() -> None:
    gate = Gate()
    long, short = job(gate, ["long"] * 5 * bulk.CHUNK), job(gate, ["short"] * bulk.CHUNK)
    long.look()
    until(lambda: len(bulk._TURNS) == 1)
    short.look()
    until(lambda: len(bulk._TURNS) == 2)
    assert (long.others, short.others) == (1, 1)
    gate.let.release(9)
    until(lambda: long.ended and short.ended)
    assert [text for text, _ in gate.read] == ["long", "short", "long", "long", "long", "long"]
    until(lambda: not len(bulk._TURNS))


def test_a_chunk_of_long_texts_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK_CHARACTERS", 10)
    gate = Gate(open_for=9)
    read = job(gate, ["x" * 4, "x" * 6, "x" * 30, "x" * 9, "x"], ["", "", "", "", ""])
    read.look()
    until(lambda: read.ended)
    assert [n for _, n in gate.read] == [2, 1, 2]
