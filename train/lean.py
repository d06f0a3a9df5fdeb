"""Memory in training: kept from step to step, and given back to the system from time to time.

Batches have many lengths. Freed blocks lie in heaps that blocks of other sizes break up, and oneDNN keeps what it
compiled for each shape it met; at DistilBERT's size the two grow to more than a gigabyte (`python -m bench.memory`).
"""

import ctypes
import os
from typing import Final

import pyarrow as pa

from core.machine import keep_memory

CACHES: Final = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "192", "LRU_CACHE_CAPACITY": "16"}
"""Compiled operations to keep: oneDNN's own, and those that torch holds above it; each keeps 1,024 where nothing is
said. A step has about twenty for each length of its batches, of which there are start.LENGTHS; to compile them anew
takes a sixth of a step's time."""

EVERY = 50
"""Steps between two times that memory is given back: the step after it takes half as long again."""


def economise() -> None:
    """Limit what oneDNN keeps, and keep freed memory, for the whole process; call before anything is computed."""
    keep_memory()
    for name, most in CACHES.items():
        os.environ.setdefault(name, most)  # read once, by the first operation


def step_done(step: int) -> None:
    """Call after each optimiser step: every so often, what is free goes back."""
    if step % EVERY == 0:
        release()


def release() -> None:
    """Give back what is free by now, what Arrow keeps of files that were read, too.

    (To have each block go back at once takes far longer.)
    """
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
