"""Memory that training has no more use for goes back to the system.

Batches have many lengths. glibc keeps freed blocks in heaps that blocks of other sizes break up, and oneDNN keeps what
it compiled for each shape it met; at DistilBERT's size the two grow to more than a gigabyte (`python -m bench.memory`).
"""

import ctypes
import os
from typing import Final

CACHES: Final = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""oneDNN's own, and that of torch's layer above it; each keeps 1,024 compiled operations where nothing is said."""
SHAPES: Final = "16"
"""Compiled operations to keep: a step has about ten, which each layer uses again. With too few to keep these, short
texts take a third longer."""


def economise() -> None:
    """Limit what oneDNN keeps, for the whole process; call before anything is computed."""
    for name in CACHES:
        os.environ.setdefault(name, SHAPES)  # read once, by the first operation


def release() -> None:
    """Give back what is free by now. (To have each block go back at once takes far longer.)"""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
