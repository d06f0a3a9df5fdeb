"""Which epoch's model is kept, and when to stop: both by validation loss alone."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Selection:
    """The best validation loss so far, and how long ago it was reached."""

    patience: int
    best_loss: float | None = None
    best_step: int = 0
    waited: int = 0
    """epochs since the best"""

    def offer(self, loss: float, step: int) -> bool:
        """Take an epoch's validation loss; True when it is the best so far, and its model to be kept."""
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_step, self.waited = loss, step, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether so many epochs brought nothing that training stops."""
        return self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """As stored in checkpoints; `Selection(**state)` gives it back."""
        return asdict(self)
