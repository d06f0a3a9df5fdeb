"""The machine that this runs on."""

import ctypes
import platform
from pathlib import Path


def processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def keep_memory() -> None:
    """Have the C library keep what is freed: to get each layer's memory anew takes a tenth of the time or more."""
    if setting := getattr(ctypes.CDLL(None), "mallopt", None):
        mmap_threshold, trim_threshold, most = -3, -1, 2**31 - 1
        setting(mmap_threshold, 2**30)
        setting(trim_threshold, most)
