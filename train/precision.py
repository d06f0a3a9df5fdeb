"""Which number format to train in: bf16 where this machine is measured to be faster in it."""

import time
from typing import Final, Literal

import torch

Precision = Literal["fp32", "bf16"]
SIZE: Final = 768
"""of the matrices that are multiplied: the width of a usual encoder"""
WORTH: Final = 1.3
"""bf16 must be so many times faster, as not all of a step is multiplication"""


def choose(wanted: str) -> Precision:
    """The format a recipe's `precision` stands for on this machine; `auto` is decided by a short measurement."""
    if wanted != "auto":
        return "bf16" if wanted == "bf16" else "fp32"
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    faster = _supported() and _seconds(torch.float32) > WORTH * _seconds(torch.bfloat16)
    return "bf16" if faster else "fp32"


def _supported() -> bool:
    """Whether oneDNN can multiply in bf16 on this processor: without it a product takes a second."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _seconds(dtype: torch.dtype) -> float:
    """Least time of a few matrix products."""
    one, other = torch.ones(SIZE, SIZE, dtype=dtype), torch.ones(SIZE, SIZE, dtype=dtype)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - start)
    return min(times)
