"""The order in which a training split is read: shuffled, yet with texts of like length beside each other."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

GROUP = 50
"""Batches that are formed together: enough for like lengths to meet, few enough to stay shuffled."""


class LengthGrouped(Sampler[int]):
    """Rows of a split such that each run of `batch_size` of them has texts of like length.

    The order depends on the seed and the epoch alone, so that a resumed run reads on where it was. The batch with the
    longest text comes first: if memory runs out, it does at once. Where the split stands there in several `variants`,
    one after the other, an epoch reads each row in one of them, drawn by chance.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, variants: int = 1) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0
        self._variants = variants

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the epoch, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths) // self._variants

    @property
    def tokens(self) -> float:
        """In an epoch, on average."""
        return sum(self._lengths) / self._variants

    def __iter__(self) -> Iterator[int]:
        order = torch.Generator().manual_seed(self._seed + self._epoch)
        rows = torch.randperm(len(self), generator=order)
        if self._variants > 1:
            rows += len(self) * torch.randint(self._variants, rows.shape, generator=order)
        size = GROUP * self._batch_size
        groups = [sorted(rows[start : start + size].tolist(), key=self._length) for start in range(0, len(rows), size)]
        batches = [
            group[start : start + self._batch_size]
            for group in groups
            for start in range(0, len(group), self._batch_size)
        ]
        *whole, last = batches  # only the last may be short, and stays there: batches are cut off in order
        shuffled = [whole[place] for place in torch.randperm(len(whole), generator=order).tolist()]
        if shuffled:
            longest = max(range(len(shuffled)), key=lambda place: self._length(shuffled[place][-1]))
            shuffled.insert(0, shuffled.pop(longest))
        return iter([row for batch in [*shuffled, last] for row in batch])

    def _length(self, row: int) -> int:
        return self._lengths[row]
