"""Texts that are too long are read by their head, their head and tail, or in windows; and any text is read somehow."""

from itertools import product

import numpy as np
import pytest
import torch

from core import predictor, reading
from core.errors import InputError
from core.predictor import Predictor
from core.reading import HEAD_AND_TAIL, MODES, WINDOWS
from core.runs import Run
from tests.tiny import BLAME, FILLER, PRAISE

LONGEST = "lovely film " * 87_400


@pytest.fixture(scope="module")
def model(run: Run) -> Predictor:
    return predictor.load(run.model)


def words(n: int, seed: int = 0) -> list[str]:
    """n words of one token each."""
    return [str(word) for word in np.random.default_rng(seed).choice([*PRAISE, *BLAME, *FILLER], n)]


def softmax_of(model: Predictor, *texts: str) -> np.ndarray:
    logits = torch.tensor(model.predict(texts).logits, dtype=torch.float64)
    return torch.softmax(logits, 1).numpy()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("less", [0, 3])
def test_a_text_that_fits_is_read_whole_in_any_mode(model: Predictor, mode: str, less: int) -> None:
    text = " ".join(words(model.room - less))
    found = reading.read(model, text, mode=mode)
    assert not reading.too_long(model, text)
    assert (found.unread, found.n_pieces, found.telling) == ((), 1, text)
    assert found.n_read == found.n_tokens == model.max_tokens - less
    np.testing.assert_allclose(found.probabilities, softmax_of(model, text)[0], rtol=1e-9)


def test_the_head_is_what_the_evaluation_reads(model: Predictor) -> None:
    parts = words(50)
    text = "  ".join(parts)
    found = reading.read(model, text)
    head = "  ".join(parts[: model.room])
    assert reading.too_long(model, text)
    assert (found.telling, found.unread) == (head, ((len(head) + 2, len(text)),))
    assert (found.n_tokens, found.n_read) == (52, model.max_tokens)
    np.testing.assert_allclose(found.probabilities, softmax_of(model, text)[0], rtol=1e-9)
    np.testing.assert_allclose(found.probabilities, softmax_of(model, head)[0], rtol=1e-5)


def test_a_quarter_is_read_from_the_beginning_and_the_rest_from_the_end(model: Predictor) -> None:
    parts, room = words(50), model.room
    found = reading.read(model, " ".join(parts), mode=HEAD_AND_TAIL)
    first, last = parts[: room // 4], parts[-(room - room // 4) :]
    assert found.telling.split() == [*first, *last]
    ((start, end),) = found.unread
    assert found.text[start:end].split() == parts[len(first) : -len(last)]
    assert found.n_read == model.max_tokens
    np.testing.assert_allclose(found.probabilities, softmax_of(model, " ".join([*first, *last]))[0], rtol=1e-5)


def test_of_510_tokens_a_quarter_and_three_are_read() -> None:
    (piece,) = MODES[HEAD_AND_TAIL](2000, 510)
    assert [end - start for start, end in piece] == [127, 383]  # a quarter and three, whole tokens


@pytest.mark.parametrize("n", [15, 20, 21, 50, 1000])
def test_windows_overlap_by_half_and_cover_everything(n: int) -> None:
    room = 14
    pieces = [piece[0] for piece in MODES[WINDOWS](n, room)]
    assert [end - start for start, end in pieces] == [room] * len(pieces)
    assert (pieces[0][0], pieces[-1][1]) == (0, n)
    steps = np.diff([start for start, _ in pieces])
    assert (steps[:-1] == room // 2).all()
    assert 0 < steps[-1] <= room // 2


def test_windows_are_averaged_and_the_surest_of_the_decision_is_told(model: Predictor) -> None:
    parts = [*words(14, seed=1), *["dull"] * 14, *words(9, seed=2)]
    found = reading.read(model, " ".join(parts), mode=WINDOWS)
    windows = [" ".join(parts[start:end]) for ((start, end),) in MODES[WINDOWS](len(parts), model.room)]
    each = softmax_of(model, *windows)
    np.testing.assert_allclose(found.probabilities, each.mean(axis=0), rtol=1e-5)
    assert found.telling == windows[each[:, found.decided].argmax()]
    assert (found.n_pieces, found.n_read, found.unread) == (len(windows), len(parts) + 2, ())


def test_what_would_take_thousands_of_windows_is_refused(model: Predictor) -> None:
    with pytest.raises(InputError, match=r"would take .* of them, and 256 are allowed"):
        reading.read(model, LONGEST, mode=WINDOWS)


@pytest.mark.parametrize("mode", MODES)
def test_pairs_are_read_by_their_head(model: Predictor, mode: str) -> None:
    text, pair = " ".join(words(20)), " ".join(words(21, seed=3))
    found = reading.read(model, text, pair, mode)
    logits = torch.tensor(model.predict([text], [pair]).logits[0], dtype=torch.float64)
    np.testing.assert_allclose(found.probabilities, torch.softmax(logits, 0).numpy(), rtol=1e-9)
    assert (found.n_tokens, found.n_read, found.unread) == (44, model.max_tokens, ())


def test_a_temperature_moves_the_confidence_and_not_the_decision(model: Predictor) -> None:
    plain, warm = (reading.read(model, "a lovely film", temperature=t) for t in (1.0, 3.0))
    assert plain.decided == warm.decided
    odds = [np.log(found.probabilities[1] / found.probabilities[0]) for found in (plain, warm)]
    assert odds[0] == pytest.approx(3 * odds[1])


ODD = {
    "1 MB of text": LONGEST,
    "1 MB without a space": "x" * (1 << 20),
    "NUL bytes": "a\0lovely\0film",
    "HTML": "<script>alert('x')</script>",
    "right to left": "فيلم رائع \u202e txet",
    "emoji only": "🎬🍿👍🏽",
    "lone surrogates": "a \ud83d film \udc00",
    "control characters": "a\x1b[31m\x7f\x85\u2028 film",
    "special tokens": "[CLS] [SEP] [PAD] [MASK]",
    "one character": ".",
}


@pytest.mark.parametrize(("name", "mode"), [each for each in product(ODD, MODES) if each != ("1 MB of text", WINDOWS)])
def test_any_text_is_read(model: Predictor, name: str, mode: str) -> None:
    found = reading.read(model, ODD[name], mode=mode)
    assert found.probabilities.sum() == pytest.approx(1)
    assert np.isfinite(found.probabilities).all()
    assert 0 <= found.unknown <= 1
    assert 2 <= found.n_read <= found.n_tokens


@pytest.mark.parametrize("text", ["", " ", "\n\t \r", "\0", "\0 \0", "\u3000\u00a0"])
def test_nothing_to_read_is_said(model: Predictor, text: str) -> None:
    with pytest.raises(InputError, match="The text is empty: type a few words"):
        reading.read(model, text)
    with pytest.raises(InputError, match="The second text is empty"):
        reading.read(model, "a film", text)
    assert np.isfinite(model.predict([text, "a film"]).logits).all()


@pytest.mark.parametrize(("text", "share"), [("lovely film", 0), ("lovely 🎬", 0.5), ("🎬 👍", 1), ("評 論", 1)])
def test_unknown_words_are_counted(model: Predictor, text: str, share: float) -> None:
    assert reading.read(model, text).unknown == share


def test_a_readings_probabilities_are_the_softmax_of_the_logits(model: Predictor) -> None:
    logits = torch.tensor(model.predict(["a lovely film"]).logits[0], dtype=torch.float64)
    expected = torch.softmax(logits, 0).numpy()
    np.testing.assert_allclose(reading.read(model, "a lovely film").probabilities, expected, rtol=1e-9)
