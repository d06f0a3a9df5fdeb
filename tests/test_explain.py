"""Words that carried a decision are found, in any script; what is no better than chance is told from what is."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from core import explain, predictor, reading
from core.errors import InputError
from core.runs import Run

WEIGHTS = {"lovely": 2.0, "moving": 1.0, "dull": -1.5, "the": 0.0}
Probabilities = npt.NDArray[np.float64]


def two(odds: Sequence[float]) -> Probabilities:
    positive = expit(np.array(odds))
    return np.stack([1 - positive, positive], axis=1)


def by_words(texts: Sequence[str]) -> Probabilities:
    """The log-odds are the sum of the words' weights."""
    return two([sum(WEIGHTS.get(word, 0.1) for word in text.split()) for text in texts])


def by_chance(texts: Sequence[str]) -> Probabilities:
    """Something else for each text, which no word has a part in."""
    return two([int(hashlib.sha256(text.encode()).hexdigest()[:4], 16) / 2**15 - 1 for text in texts])


def always(texts: Sequence[str]) -> Probabilities:
    return two([1.0] * len(texts))


def test_a_words_weight_is_what_the_log_odds_lose_without_it() -> None:
    found = explain.explain(by_words, "the lovely dull moving film")
    np.testing.assert_allclose(found.weights, [0, 2, -1.5, 1, 0.1], atol=1e-9)
    assert found.decided == 1
    assert [found.text[a:b] for a, b in found.words] == ["the", "lovely", "dull", "moving", "film"]
    assert found.strongest() == (["lovely", "moving"], ["dull"])
    assert found.relative.tolist() == pytest.approx([0, 1, -0.75, 0.5, 0.05])


def test_weights_are_of_the_decided_label() -> None:
    found = explain.explain(by_words, "the dull film")
    assert found.decided == 0
    assert found.strongest()[0] == ["dull"]


def test_more_than_two_labels_have_log_odds_against_all_others() -> None:
    table = {"a b": [0.7, 0.2, 0.1], " b": [0.5, 0.3, 0.2], "a ": [0.7, 0.2, 0.1]}
    found = explain.explain(lambda texts: np.array([table.get(text, table["a b"]) for text in texts]), "a b")
    np.testing.assert_allclose(found.weights, [np.log(0.7 / 0.3), 0], atol=1e-9)


def test_a_certain_model_has_finite_weights() -> None:
    found = explain.explain(lambda texts: np.tile([0.0, 1.0], (len(texts), 1)), "one two three")
    assert np.isfinite(found.weights).all()


def test_scores_are_those_of_the_weightiest_words() -> None:
    found = explain.explain(by_words, "the lovely dull moving film")  # of five words one, one and three
    positive = {
        text: float(by_words([text])[0, 1])
        for text in ("the lovely dull moving film", "lovely", "lovely moving film", "the dull moving film", "the dull")
    }
    whole = positive["the lovely dull moving film"]
    assert found.comprehensiveness == pytest.approx(
        whole - (2 * positive["the dull moving film"] + positive["the dull"]) / 3
    )
    assert found.sufficiency == pytest.approx(whole - (2 * positive["lovely"] + positive["lovely moving film"]) / 3)


@pytest.mark.parametrize("text", ["the lovely film the film the", "dull the a film the the moving " * 9])
def test_words_that_matter_beat_chance(text: str) -> None:
    found = explain.explain(by_words, text)
    assert found.beaten >= explain.ENOUGH
    assert found.faithful
    assert found.comprehensiveness > found.random_comprehensiveness.mean()
    assert found.sufficiency < found.random_sufficiency.mean()


def test_where_no_word_matters_nothing_beats_chance() -> None:
    found = explain.explain(always, "one two three four five")
    assert (found.beaten, found.faithful, found.strongest()) == (0.5, False, ([], []))


def test_an_explanation_of_chance_is_seldom_called_faithful() -> None:
    texts = [" ".join(f"w{n}{i}" for i in range(12)) for n in range(60)]
    share = np.mean([explain.explain(by_chance, text).faithful for text in texts])
    assert share < 0.5


def test_the_same_text_has_the_same_explanation() -> None:
    one, other = (explain.explain(by_words, "a lovely dull moving film it was") for _ in range(2))
    np.testing.assert_array_equal(one.random_sufficiency, other.random_sufficiency)


def test_some_130_texts_are_asked_for_and_none_is_empty() -> None:
    seen: list[str] = []

    def predict(texts: Sequence[str]) -> Probabilities:
        seen.extend(texts)
        return by_words(texts)

    explain.explain(predict, " ".join(f"word{n}" for n in range(500)))
    assert len(seen) <= 130
    assert all(text.strip() for text in seen)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a lovely  film.\n", ["a", "lovely", "film."]),
        ("<b>a</b> &amp;", ["<b>a</b>", "&amp;"]),
        ("この映画 good", ["こ", "の", "映", "画", "good"]),
        ("這部電影", ["這", "部", "電", "影"]),
        ("فيلم رائع", ["فيلم", "رائع"]),
        ("영화가 좋다", ["영화가", "좋다"]),
        ("  ", []),
    ],
)
def test_words_are_found_in_any_script(text: str, words: list[str]) -> None:
    assert [text[a:b] for a, b in explain.split(text)] == words


@pytest.mark.parametrize(("n", "groups"), [(60, 60), (61, 31), (500, 56)])
def test_long_texts_are_taken_in_groups_of_neighbours(n: int, groups: int) -> None:
    text = " ".join(f"w{i}" for i in range(n))
    found = explain.split(text)
    assert len(found) == groups <= explain.MOST
    assert " ".join(text[a:b] for a, b in found) == text


@pytest.mark.parametrize("text", ["film", " film ", "電", "x" * 10_000])
def test_a_single_word_is_not_explained(text: str) -> None:
    with pytest.raises(InputError, match="nothing to leave out"):
        explain.explain(by_words, text)


def test_a_real_models_words_are_explained(run: Run) -> None:
    model = predictor.load(run.model)
    found = reading.read(model, "the plot was dull and i found it stale", temperature=2.0)
    ((predict, text),) = reading.parts(model, found, temperature=2.0)
    explained = explain.explain(predict, text)
    assert explained.decided == found.decided
    without = reading.read(model, "the plot was and i found it stale", temperature=2.0).probabilities
    odds = [np.log(each[found.decided] / each[1 - found.decided]) for each in (found.probabilities, without)]
    assert explained.weights[3] == pytest.approx(odds[0] - odds[1], abs=1e-4)
    assert np.abs(explained.weights).max() > 0.05


def test_both_texts_of_a_pair_are_explained_beside_the_other(run: Run) -> None:
    model = predictor.load(run.model)
    found = reading.read(model, "a lovely film", "a dull book")
    parts = reading.parts(model, found, "a dull book")
    assert [text for _, text in parts] == ["a lovely film", "a dull book"]
    for predict, text in parts:
        np.testing.assert_allclose(predict([text, text])[1], found.probabilities, rtol=1e-5)
    np.testing.assert_allclose(
        parts[1][0](["it was moving"])[0],
        reading.read(model, "a lovely film", "it was moving").probabilities,
        rtol=1e-5,
    )
