"""The machine that this runs on."""

import ctypes
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "asimddp"}
"""Instructions that multiply bytes and add up the products."""


def processor() -> str:
    """What the processor calls itself."""
    return _told("model name") or platform.processor() or "unknown"


def multiplies_bytes() -> bool:
    """Whether the processor has instructions for products of bytes; it is taken to where it does not say."""
    known = (_told("flags") or _told("Features")).split()
    return not known or not DOT_PRODUCTS.isdisjoint(known)


def _told(name: str) -> str:
    """What Linux tells of the first processor; empty where it tells nothing."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def keep_memory() -> None:
    """Have the C library keep what is freed: to get each layer's memory anew takes a tenth of the time or more."""
    if setting := getattr(ctypes.CDLL(None), "mallopt", None):
        mmap_threshold, trim_threshold, most = -3, -1, 2**31 - 1
        setting(mmap_threshold, 2**30)
        setting(trim_threshold, most)
