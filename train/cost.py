"""What a phase of the work costs: time and peak memory."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from train import lean


@contextmanager
def measured(phases: dict[str, Any], name: str) -> Iterator[None]:
    """Enter the seconds and the peak memory of what is done inside under `name`; memory is in bytes.

    On Linux the peak is the phase's own; elsewhere it is the highest of the process so far.
    """
    lean.release()  # what the phase before left is not this one's
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident size so far
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    start = time.monotonic()
    yield
    phases[name] = {"seconds": time.monotonic() - start, "peak_memory_bytes": _peak_memory()}
    if torch.cuda.is_available():
        phases[name]["peak_device_memory_bytes"] = torch.cuda.max_memory_allocated()


def _peak_memory() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
