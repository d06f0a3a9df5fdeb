"""The readers that the speed benches compare: `transformers.pipeline` as a user would write it, and our backends.

Each is a process of its own, because several libraries' threads in one process are in each other's way.
"""

import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import pipeline

from core import calibration, fastest

PIPELINE = "pipeline"
BATCH = 32
"""Texts that a user's pipeline reads together, when it is given many."""
PAUSE = 0.02
"""Seconds between turns: threads that wait for more work keep a processor busy for some milliseconds."""

Read = Callable[[list[str]], npt.NDArray[np.float64]]


class Reader:
    """A model in `folder`, read by the pipeline, by a backend, or by `auto`, in another process."""

    def __init__(self, folder: Path, name: str, *, many: bool = False) -> None:
        """Loads the model, for texts alone or for `many`, and reads a text, untimed."""
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(folder, name, many, there), daemon=True)
        self._process.start()
        self.backend: str = self._here.recv()
        """what `auto` chose, or `name` itself"""

    def read(self, *requests: list[str]) -> list[tuple[float, npt.NDArray[np.float64]]]:
        """Of each list of n texts, one list after the other, the seconds it took there and (n, k) probabilities."""
        time.sleep(PAUSE)
        self._here.send(requests)
        found: list[tuple[float, npt.NDArray[np.float64]]] = self._here.recv()
        return found

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.join()


def _serve(folder: Path, name: str, many: bool, connection: Connection) -> None:
    read, backend = (_pipeline(folder), name) if name == PIPELINE else _ours(folder, name, many)
    read(["It is warm now."])
    connection.send(backend)
    while True:
        answers = []
        for texts in connection.recv():
            began = time.perf_counter()
            found = read(texts)
            answers.append((time.perf_counter() - began, found))
        connection.send(answers)


def _pipeline(folder: Path) -> Read:
    classify = pipeline("text-classification", model=str(folder), device="cpu")

    def read(texts: list[str]) -> npt.NDArray[np.float64]:
        one: Any = texts[0] if len(texts) == 1 else texts
        found = classify(one, batch_size=BATCH, truncation=True, top_k=None, function_to_apply="softmax")
        rows = [found] if len(texts) == 1 else found
        names = classify.model.config.label2id
        return np.array([[each["score"] for each in sorted(row, key=lambda it: names[it["label"]])] for row in rows])

    return read


def _ours(folder: Path, name: str, many: bool) -> tuple[Read, str]:
    loaded = fastest.load(folder, name, many=many)
    return lambda texts: calibration.probabilities(loaded.predict(texts).logits, 1.0), loaded.backend
