"""Asking in the background whether the Hub answers."""

import threading

import pytest

from core import watch
from core.watch import Watch


def test_a_question_that_is_not_answered_yet_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "AGAIN", 0.0)
    asked, answer = threading.Semaphore(0), threading.Event()

    def ask() -> bool:
        asked.release()
        return answer.wait(10)

    found = Watch(ask)
    assert all(found.silent(patience=0.0) for _ in range(20))
    assert asked.acquire(timeout=10)
    assert not asked.acquire(blocking=False)
    answer.set()
    assert not found.silent(patience=10.0)


def test_it_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    found = Watch(lambda: next(answers))
    assert not found.silent(patience=10.0)
    assert not found.silent(patience=10.0)  # not asked again
    monkeypatch.setattr(watch, "AGAIN", 0.0)
    found._looking.join()
    assert found.silent(patience=10.0)
