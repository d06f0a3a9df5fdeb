"""Predictions that two sides might make of the same examples, for tests of their comparison."""

import dataclasses

import numpy as np
import numpy.typing as npt

from core.predictions import Predictions

NAMES = ("negative", "positive")


def of(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Predictions:
    """These logits (n, k) for examples r0, r1, … with these true labels (n,)."""
    truth = np.asarray(labels)
    return Predictions(
        id=np.array([f"r{row}" for row in range(len(truth))]),
        text_sha256=np.array([f"{row:064x}" for row in range(len(truth))]),
        label=truth.astype(np.int64),
        logits=np.asarray(logits, dtype=np.float32),
        n_tokens=np.full(len(truth), 5),
        truncated=np.zeros(len(truth), dtype=bool),
    )


def made(decided: npt.ArrayLike, labels: npt.ArrayLike, margin: float = 2.0) -> Predictions:
    """Predictions of two labels with these decisions."""
    return of(margin * np.eye(2)[np.asarray(decided)], labels)


def table(both: int, lost: int, won: int, neither: int) -> tuple[Predictions, Predictions]:
    """Two sides with these counts of right and wrong decisions; all labels are 0."""
    first = [0] * both + [0] * lost + [1] * won + [1] * neither
    second = [0] * both + [1] * lost + [0] * won + [1] * neither
    return made(first, [0] * len(first)), made(second, [0] * len(first))


def noisy(n: int, k: int, seed: int, *, skill: float = 1.2, steps: float = 0.0) -> Predictions:
    """Predictions of k labels for the same n examples whatever the seed; `steps` rounds them, so that scores tie."""
    labels = np.random.default_rng(0).integers(0, k, n)
    logits = np.random.default_rng(seed).normal(size=(n, k)) + skill * np.eye(k)[labels]
    return of(np.round(logits / steps) * steps if steps else logits, labels)


def names(k: int) -> list[str]:
    """Names of k labels."""
    return [f"label {n}" for n in range(k)]


def shuffled(found: Predictions, seed: int = 0) -> Predictions:
    """The same examples in another order."""
    return found.take(np.random.default_rng(seed).permutation(len(found)))


def relabelled(found: Predictions, order: npt.ArrayLike) -> Predictions:
    """The same predictions of a model whose outputs stand in another order: `order` (k,) are the old places."""
    places = np.asarray(order)
    return dataclasses.replace(found, label=np.argsort(places)[found.label], logits=found.logits[:, places])


def with_first(found: Predictions, name: str, value: object) -> Predictions:
    """The predictions with another value in a column's first row."""
    column = getattr(found, name).copy()
    column[0] = value
    return dataclasses.replace(found, **{name: column})
