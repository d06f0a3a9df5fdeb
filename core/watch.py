"""Whether the Hub answers, asked in the background: a page that needs nothing from the Hub doesn't wait for it."""

import math
import threading
import time
from collections.abc import Callable

AGAIN = 15.0
"""Seconds after which the Hub is asked again."""
PATIENCE = 1.0
"""Seconds: who has not answered by then is taken to be silent, by those who can do without an answer."""


class Watch:
    """What is known of the Hub; `ask` tells whether it answers, and may take its time."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._asked = -math.inf
        self._answers = True
        self._known = threading.Event()
        self._lock = threading.Lock()
        self._looking = threading.Thread(target=self._look)

    def silent(self, patience: float = PATIENCE) -> bool:
        """Whether the Hub did not answer when it was last asked, or has not within `patience` seconds of being asked.

        It is asked again after AGAIN seconds, but never twice at once.
        """
        with self._lock:
            if time.monotonic() - self._asked >= AGAIN and not self._looking.is_alive():
                self._asked = time.monotonic()
                if self._answers:  # which may have changed; of a Hub that was silent it is enough to learn later
                    self._known.clear()
                self._looking = threading.Thread(target=self._look, name="watch", daemon=True)
                self._looking.start()
        left = self._asked + patience - time.monotonic()
        return not (self._known.wait(max(left, 0)) and self._answers)

    def _look(self) -> None:
        self._answers = self._ask()
        self._known.set()
