"""The same tokens as transformers', for any text; its own reading of the files is not trusted but compared."""

import threading
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from core.runs import Run
from core.tokenizer import Tokenizer, filled_up, readable, rounded
from train import encoders

TEXTS = [
    "a lovely film",
    "",
    " ",
    "Ünïcode, naïve café; 很好的书 🎉 مرحبا",
    "<b>html</b> & [SEP] [MASK]",
    "a\0b\ud800c",
    "don't — won't… 3.5/10",
    "the book was dull " * 40,
    "a film [SEP] of [MASK] " * 40,
]
NAMES = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module", params=["tiny", "minilm"])
def folder(request: pytest.FixtureRequest, run: Run) -> Path:
    return run.model if request.param == "tiny" else encoders.resolve("minilm").folder


@pytest.mark.parametrize("paired", [False, True])
def test_the_tokens_are_those_of_transformers(folder: Path, paired: bool) -> None:
    ours = Tokenizer(folder, 32)
    pairs = TEXTS[::-1] if paired else None
    found = ours.tokens(TEXTS, pairs)
    theirs = AutoTokenizer.from_pretrained(folder)
    given = [[readable(text) for text in column] for column in (TEXTS, pairs) if column]
    expected = theirs(*given, truncation=True, max_length=ours.max_tokens, padding=True, return_tensors="np")
    batch = found.batch(range(len(TEXTS)))
    for name in NAMES:
        np.testing.assert_array_equal(batch[name], expected[name])
    whole = theirs(*given, truncation=False, verbose=False)["input_ids"]
    assert found.n_tokens.tolist() == [len(ids) for ids in whole]
    assert found.lengths.max() == ours.max_tokens


def test_a_batch_is_padded_to_its_own_longest(folder: Path) -> None:
    found = Tokenizer(folder, 32).tokens(TEXTS)
    assert found.batch([0, 1])["input_ids"].shape == (2, found.lengths[:2].max())
    assert found.batch([0, 1])["attention_mask"].sum(axis=1).tolist() == found.lengths[:2].tolist()


def test_lengths_are_filled_up_with_what_is_not_read(folder: Path) -> None:
    most = min(Tokenizer(folder, 30).max_tokens, 30)
    found = Tokenizer(folder, most).tokens(TEXTS)
    short, longest = found.batch([0]), found.batch([7])
    filled = filled_up(short, most)
    assert {each.shape for each in filled.values()} == {(1, 16)}
    assert filled["attention_mask"].sum() == short["attention_mask"].sum()
    assert filled_up(longest, most)["input_ids"].shape == (1, most)  # the model has no more room
    assert [rounded(length) for length in (1, 16, 17)] == [16, 16, 32]


def test_spans_are_where_the_tokens_stand(folder: Path) -> None:
    ours = Tokenizer(folder, 32)
    text = "a lovely film, and a dull book"
    spans = ours.spans(text)
    assert [text[a:b] for a, b in spans][:3] == ["a", "lovely", "film"]
    assert len(spans) == ours.tokens([text]).n_tokens[0] - 2
    assert ours.room == ours.max_tokens - 2


def test_many_threads_may_ask_at_once(folder: Path) -> None:
    ours = Tokenizer(folder, 16)
    expected = [ids.tolist() for ids in ours.tokens(TEXTS).ids]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(30):
            if [ids.tolist() for ids in ours.tokens(TEXTS).ids] != expected:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
