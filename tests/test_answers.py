"""What a model said of many reviews, as tables, sentences and files."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from core import answers
from core.bulk import Job
from core.predictor import Output
from core.uploads import BadRow, Reviews
from tests.test_bulk import until

PLAIN = [0.9, 0.2, 0.6, 0.99999]
"""How probable the second label is, review by review."""
HOSTILE = ["=1+1", "+x", "@SUM(A1)", 'a, "b"\nc', "<b>é</b>", "\trun", "-2"]


class Known:
    """A predictor whose answers are known; the first text is longer than it reads."""

    def __init__(self, labels: tuple[str, ...], positive: Sequence[float]) -> None:
        self.labels, self._positive = labels, np.array(positive)

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Output:
        logits = np.log(np.stack([1 - self._positive, self._positive], axis=1)).astype(np.float32)
        return Output(logits, np.full(len(texts), 9), np.arange(len(texts)) == 0)


def read(
    texts: Sequence[str] = ("good", "bad", "fair", "great"),
    positive: Sequence[float] = PLAIN,
    labels: tuple[str, ...] = ("negative", "positive"),
    pairs: Sequence[str] | None = None,
) -> Job:
    reviews = Reviews([2 * n for n in range(1, len(texts) + 1)], list(texts), list(pairs) if pairs else None)
    job = Job("demo/x", Known(labels, positive), reviews)  # type: ignore[arg-type]
    job.look()
    until(lambda: job.ended)
    assert job.error is None
    return job


def test_the_table_has_each_reviews_row_label_and_probabilities() -> None:
    found = answers.table(read())
    assert found["row"].tolist() == [2, 4, 6, 8]
    assert found["label"].tolist() == ["positive", "negative", "positive", "positive"]
    assert found["confidence"].tolist() == pytest.approx([0.9, 0.8, 0.6, 0.99999], abs=1e-6)
    assert found["probability of negative"].tolist() == pytest.approx([0.1, 0.8, 0.4, 0.00001], abs=1e-6)
    assert found["only the beginning read"].tolist() == [True, False, False, False]


def test_pairs_have_both_texts() -> None:
    found = answers.table(read(pairs=["one", "two", "three", "four"]))
    assert found["second text"].tolist() == ["one", "two", "three", "four"]
    assert answers.shown(found)["Second text"].tolist() == ["one", "two", "three", "four"]


def test_what_is_shown_is_short_and_never_certain() -> None:
    shown = answers.shown(answers.table(read(["long " * 100, "a\n\nb", "=1+1", "x"])))
    assert list(shown) == ["Row", "Label", "Confidence", "Text"]
    assert len(shown["Text"][0]) == answers.SHOWN + 1
    assert shown["Text"].tolist()[1:] == ["a b", "'=1+1", "x"]
    assert shown["Confidence"].max() == 99.9


def test_a_text_without_blanks_is_shortened_too() -> None:
    assert len(answers.shown(answers.table(read(["x" * 100_000, "b", "c", "d"])))["Text"][0]) == answers.SHOWN + 1


def test_no_text_is_a_formula_in_the_csv_and_parquet_has_it_as_it_was() -> None:
    labels = ("=negative", "positive")
    found = answers.table(read(HOSTILE, [0.1] * len(HOSTILE), labels))
    content = answers.to_csv(found)
    assert content.startswith(b"\xef\xbb\xbfrow,text,label")
    back = pd.read_csv(io.BytesIO(content), dtype=str)
    assert back["text"].tolist() == ["'=1+1", "'+x", "'@SUM(A1)", 'a, "b"\nc', "<b>é</b>", "'\trun", "-2"]
    assert set(back["label"]) == {"'=negative"}
    kept = pd.read_parquet(io.BytesIO(answers.to_parquet(found)))
    assert kept["text"].tolist() == HOSTILE
    pd.testing.assert_frame_equal(kept, found, check_dtype=False)


def test_labels_are_counted_in_their_own_order() -> None:
    found = answers.counts(read())
    assert found["label"].tolist() == ["negative", "positive"]
    assert found["count"].tolist() == [1, 3]
    assert found["shown"].tolist() == ["1 · 25.0%", "3 · 75.0%"]
    assert answers.headline(found) == "75.0% positive"
    assert answers.counts_in_words(found) == "Reviews by label: negative 1 · 25.0%, positive 3 · 75.0%"


def test_a_label_that_all_reviews_have_is_said_so() -> None:
    found = answers.counts(read(positive=[0.9] * 4, labels=("*a*", "_b_")))
    assert found["shown"].tolist() == ["0 · 0%", "4 · 100%"]
    assert answers.headline(found) == r"100% \_b\_"


def test_confidences_are_counted_in_bins() -> None:
    found = answers.confidences(read(positive=[0.92, 0.23, 0.61, 0.93]))
    assert list(zip(found["label"], found["low"].round(2), found["count"], strict=True)) == [
        ("negative", 0.75, 1),
        ("positive", 0.6, 1),
        ("positive", 0.9, 2),
    ]
    assert (found["high"] - found["low"]).tolist() == pytest.approx([0.05] * 3)


def test_confidence_is_told_in_words_too() -> None:
    said = answers.confidences_in_words(read(positive=[0.9, 0.8, 0.8, 0.5]))
    assert said == "Reviews by confidence: half of them above 80.0%, a tenth below 59.0%, a tenth above 87.0%"


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        (1, r"Row 1,000 was left out: =text is \*empty\*."),
        (2, "2 rows were left out: 1,000 and 1,001."),
        (5, "5 rows were left out: 1,000, 1,001, 1,002, 1,003 and 1,004."),
        (8, "8 rows were left out: 1,000, 1,001, 1,002, 1,003, 1,004, 1,005, 1,006 and 1,007."),
        (2000, "2,000 rows were left out: 1,000, 1,001, 1,002, 1,003, 1,004, 1,005, 1,006, 1,007 and 1,992 more."),
    ],
)
def test_rows_that_were_left_out_are_named(n: int, sentence: str) -> None:
    bad = [BadRow(1000 + number, "=text is *empty*") for number in range(n)]
    assert answers.left_out(bad).replace(r"\=", "=") == sentence
    table = answers.bad_rows(bad)
    assert (len(table), table["Row"][0], table["Why"][0]) == (n, 1000, "'=text is *empty*")


@pytest.mark.parametrize(
    ("done", "seconds", "words"),
    [
        (0, 0.0, "0 of 10,000 reviews"),
        (1280, 4.0, "1,280 of 10,000 reviews · 320 a second · about 30 seconds left"),
        (9990, 100.0, "9,990 of 10,000 reviews · 99.9 a second · a few seconds left"),
        (100, 10.0, "100 of 10,000 reviews · 10.0 a second · about 16 minutes left"),
        (10, 20.0, "10 of 10,000 reviews · 0.500 a second · about 5.5 hours left"),
    ],
)
def test_progress_is_said_with_rate_and_time_left(done: int, seconds: float, words: str) -> None:
    job = Job("demo/x", Known(("a", "b"), []), Reviews(list(range(10_000)), ["x"] * 10_000))  # type: ignore[arg-type]
    job.done, job.seconds = done, seconds
    assert answers.progress(job) == words


def test_the_outcome_says_how_much_was_read_by_whom() -> None:
    job = read()
    assert answers.outcome(job).startswith(r"4 reviews read by demo\/x, ")
    assert answers.outcome(job).endswith("1 of them are longer than the model reads: only their beginning counts.")
    job.done = 2
    job.cancel()
    assert answers.outcome(job).startswith("Cancelled: 2 of 4 reviews read by")
