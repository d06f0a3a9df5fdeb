"""A running average of the weights while they are trained: steadier than the last step's, and surer of what it says.

B. Polyak and A. Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30 (1992); with
exponential weights as in A. Tarvainen and H. Valpola, Mean teachers are better role models, NeurIPS 2017.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """The average of a model's trained parameters, of which `keep` stays at each step; with 0 there is none."""

    def __init__(self, model: nn.Module, keep: float) -> None:
        self._keep = keep
        self._parameters: list[torch.Tensor] = [each for each in model.parameters() if each.requires_grad and keep]
        self._averages = [each.detach().clone() for each in self._parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in; call after each optimiser step."""
        if self._parameters:
            torch._foreach_lerp_(self._averages, self._parameters, 1 - self._keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside, and its own again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> list[torch.Tensor]:
        """The averages, as `restore` takes them."""
        return self._averages

    @torch.no_grad()
    def restore(self, averages: Sequence[torch.Tensor]) -> None:
        """Go on from stored averages."""
        for mine, stored in zip(self._averages, averages, strict=True):
            mine.copy_(stored)

    def _swap(self) -> None:
        for place, (parameter, average) in enumerate(zip(self._parameters, self._averages, strict=True)):
            parameter.data, self._averages[place] = average, parameter.data
