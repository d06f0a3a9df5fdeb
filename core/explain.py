"""Which words carried a decision, and whether leaving these out moves it more than leaving out words by chance.

A word weighs what the decided label's log-odds lose without it: probabilities near 0 and 1 hardly move whatever is left
out, log-odds do, and no temperature changes their order. J. Li et al., Understanding Neural Networks through
Representation Erasure, 2016.

How faithful that is: comprehensiveness and sufficiency, J. DeYoung et al., ERASER, ACL 2020. Both are about
probabilities, and are set beside those of orders drawn by chance.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import InputError

Predict = Callable[[Sequence[str]], npt.NDArray[np.float64]]
"""n texts -> (n, k) probabilities."""

MOST = 60
"""Longer texts are explained by groups of neighbouring words, so many at most."""
SHARES = (0.1, 0.2, 0.5)
"""of the words, left out or kept at once."""
DRAWS = 10
SEED = 0
ENOUGH = 0.9
"""A faithful explanation beats this share of the orders drawn by chance; one more of those does in two cases of 11."""
NOTICED = 0.1
"""Share of the weightiest word's weight from which another is worth a mark."""
SAME = 1e-6
"""Scores that are no further apart are equal: batches differ in the last digits."""

# Chinese and Japanese put no spaces between words.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


@dataclass(frozen=True)
class Explanation:
    """What the n words of a text did for the decision."""

    text: str
    words: tuple[tuple[int, int], ...]
    """(n) where each begins and ends; groups of neighbours in longer texts"""
    weights: npt.NDArray[np.float64]
    """(n,) by how much the decided label's log-odds fall without it; below 0 it opposed the decision"""
    decided: int
    """index of the label"""
    comprehensiveness: float
    """mean fall of the decided label's probability without the weightiest words: more is better"""
    sufficiency: float
    """the same with nothing but them: less is better"""
    random_comprehensiveness: npt.NDArray[np.float64]
    """(DRAWS,) of as many words drawn by chance"""
    random_sufficiency: npt.NDArray[np.float64]

    @property
    def relative(self) -> npt.NDArray[np.float64]:
        """(n,) the weights as shares of the weightiest: -1 to 1."""
        return self.weights / max(float(np.abs(self.weights).max()), SAME)

    @property
    def beaten(self) -> float:
        """The share of the orders drawn by chance that do worse in both scores together; equal ones count half."""
        ahead = (self.comprehensiveness - self.sufficiency) - (self.random_comprehensiveness - self.random_sufficiency)
        return float(np.where(np.abs(ahead) <= SAME, 0.5, ahead > 0).mean())

    @property
    def faithful(self) -> bool:
        """Whether the weights say more than chance."""
        return self.beaten >= ENOUGH

    def strongest(self, most: int = 5) -> tuple[list[str], list[str]]:
        """The words that carried the decision most, and those that opposed it most, weightiest first."""
        order = np.argsort(-np.abs(self.weights), kind="stable")
        named = [(self.relative[row], self.text[slice(*self.words[row])]) for row in order]
        carried = dict.fromkeys(word for weight, word in named if weight >= NOTICED)
        opposed = dict.fromkeys(word for weight, word in named if weight <= -NOTICED)
        return list(carried)[:most], list(opposed)[:most]


def explain(predict: Predict, text: str) -> Explanation:
    """Explain what `predict` decides of a text, by some 130 texts that are shorter.

    Raises InputError for a text of one word.
    """
    words = split(text)
    n = len(words)
    if n < 2:
        raise InputError("There is nothing to leave out of a single word.")
    rng = np.random.default_rng(SEED)
    drawn = np.concatenate([_deletions(rng.permutation(n)) for _ in range(DRAWS)])
    left_out = np.concatenate([np.zeros((1, n), dtype=bool), np.eye(n, dtype=bool), drawn])
    found = predict([without(text, words, each) for each in left_out])
    decided = int(found[0].argmax())
    odds = _log_odds(found[: n + 1], decided)
    weights = odds[0] - odds[1:]
    own = predict([without(text, words, each) for each in _deletions(np.argsort(-weights, kind="stable"))])
    fall = found[0, decided] - np.concatenate([own, found[n + 1 :]])[:, decided]
    comprehensive, sufficient = fall.reshape(1 + DRAWS, 2, len(SHARES)).mean(axis=2).T
    return Explanation(
        text=text,
        words=words,
        weights=weights,
        decided=decided,
        comprehensiveness=float(comprehensive[0]),
        sufficiency=float(sufficient[0]),
        random_comprehensiveness=comprehensive[1:],
        random_sufficiency=sufficient[1:],
    )


def split(text: str) -> tuple[tuple[int, int], ...]:
    """Where the words of a text begin and end: characters where there are no spaces, groups where there are many."""
    found = [match.span() for match in _WORD.finditer(text)]
    size = max(1, -(-len(found) // MOST))
    groups = [found[start : start + size] for start in range(0, len(found), size)]
    return tuple((group[0][0], group[-1][1]) for group in groups)


def without(text: str, words: Sequence[tuple[int, int]], left_out: npt.NDArray[np.bool_]) -> str:
    """The text without some of its words."""
    parts, start = [], 0
    for (first, end), out in zip(words, left_out, strict=True):
        if out:
            parts.append(text[start:first])
            start = end
    return "".join([*parts, text[start:]])


def _deletions(order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(2 * SHARES, n) what is left out: the first words of an order, share by share; then all but these."""
    rank = np.argsort(order)
    first = np.array([rank < int(np.ceil(share * len(order))) for share in SHARES])
    return np.concatenate([first, ~first])


def _log_odds(probabilities: npt.NDArray[np.float64], label: int) -> npt.NDArray[np.float64]:
    least = np.finfo(np.float64).tiny
    others = np.delete(probabilities, label, axis=1).sum(axis=1)  # not 1 minus the label's, which is soon nothing
    return np.asarray(np.log(np.maximum(probabilities[:, label], least)) - np.log(np.maximum(others, least)))
